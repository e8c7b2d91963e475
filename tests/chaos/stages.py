"""What the processors' journal of a campaign must say: each stage of each sector was run to its end, and but once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.site import Site

STAGES = {
    "sealer": frozenset({"add_pieces", "tree_d", "pc1", "pc2", "c1", "c2", "verify_seal"}),
    "snapup": frozenset({"add_pieces", "tree_d", "snap_encode", "snap_vanilla", "snap_prove", "verify_snap"}),
}
"""What a task of each kind computes."""

MADE = frozenset({"made", "completed"})

Entry = dict[str, Any]


def check_stages(site: Site, finished: Mapping[str, int]) -> Iterator[str]:
    """Tell of stages that are missing, and of those begun again although they were completed.

    ``finished`` are the tasks, each with how often it was taken back: so often each of its stages may be begun again.
    It may also where its output was broken, and after a restart of the machine where no other stage had followed.
    """
    text = site.journal.read_text() if site.journal.exists() else ""
    tasks: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in map(json.loads, text.splitlines()):
        tasks[_task(site, Path(entry["job"]))].append(entry)
    for task, ways_back in finished.items():
        completed = {Path(entry["job"]).name for entry in tasks[task] if entry["what"] in MADE}
        if missing := STAGES[task.partition("-")[0]] - completed:
            yield f"{task} is finished without {', '.join(sorted(missing))}"
        yield from list(_begun_again(tasks[task]))[ways_back * len(completed) :]
    for task in sorted(set(tasks) - set(finished)):
        yield from _begun_again(tasks[task])


def _task(site: Site, job: Path) -> str:
    """Return the task of a job in ``<location>/data/jobs/<sector>/<stage>``; upgrades have a location of their own."""
    is_upgrade = site.upgrades and job.is_relative_to(site.locations[-1])
    return f"{'snapup' if is_upgrade else 'sealer'}-{job.parent.name.removeprefix('s-')}"


def _begun_again(entries: list[Entry]) -> Iterator[str]:
    """Tell of each start of a stage that had been completed, unless there was a reason for it."""
    made: dict[str, Entry] = {}
    completed: dict[str, Entry] = {}
    followed: set[str] = set()
    for entry in entries:
        job = entry["job"]
        match entry["what"]:
            case "broken":
                made.pop(job, None)
                completed.pop(job, None)
                followed.discard(job)
            case "made":
                made[job] = entry
            case "completed":
                completed[job] = entry
            case "begun":
                if (before := completed.get(job)) and (before["boot"] == entry["boot"] or job in followed):
                    inputs = "the same inputs" if before["inputs"] == entry["inputs"] else "other inputs"
                    yield f"{job} was begun again after it was completed, for {inputs}, at {entry['at']:.3f}"
                made.pop(job, None)
                completed = made | completed  # another stage goes on from them
                followed |= set(completed) - {job}
