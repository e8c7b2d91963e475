"""Looks at what is left of a campaign: the manager's database, the histories, the journal, the disks, the processes.

It knows the files' names, the tables and the histories, and uses no code of the product's for them: what it finds is
not what that believes.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from temporalio.client import Client

from tests.chaos.histories import Run, check_runs, joined, read_runs
from tests.chaos.processes import at_work_in, begun_for, job_of, session
from tests.chaos.site import Site
from tests.chaos.stages import check_stages

AUXILIARY = ("p_aux", "t_aux", "sc-02-data-tree-r-last.dat")
UPGRADED = ("update/{0}", *(f"update-cache/{{0}}/{name}" for name in AUXILIARY))
UPGRADES = "SELECT sector FROM upgrades"
STORED = ("sealed/{0}", *(f"cache/{{0}}/{name}" for name in AUXILIARY))


async def check(site: Site, client: Client, earlier: Sequence[Run] = ()) -> list[str]:
    """Return what is wrong, a line each; nothing where nothing was lost or done twice. The worker has been ended.

    ``earlier`` are the runs in a database that was lost.
    """
    runs, given = joined(earlier, await read_runs(client)), dict(site.tasks())
    ways_back = Counter[str]()
    for run in runs:
        ways_back[run.task] += run.ways_back
    return [
        *_sectors(site),
        *_messages(site),
        *check_stages(site, {task: ways_back[task] for task, ended in given.items() if ended == "finalized"}),
        *_disks(site),
        *_processes(site),
        *check_runs(set(given), runs),
    ]


def _sectors(site: Site) -> Iterator[str]:
    """Each sector that was given out has finished, and its proof was verified."""
    for row in site.ask("SELECT name, state, ended, proof_verified FROM sectors"):
        if (row["state"], row["ended"], row["proof_verified"]) != ("Finished", "finalized", 1):
            yield f"{row['name']} is {row['state']}, ended {row['ended']}, proof verified {row['proof_verified']}"
    for row in site.ask("SELECT sector, ended, proof_verified FROM upgrades"):
        if (row["ended"], row["proof_verified"]) != ("finalized", 1):
            yield f"the upgrade of {row['sector']} is {row['ended']}, proof verified {row['proof_verified']}"


def _messages(site: Site) -> Iterator[str]:
    """Each has one pre-commit and one proof on chain, and one for its upgrade; there never was another."""
    sent: defaultdict[str, list[str]] = defaultdict(list)
    for row in site.ask("SELECT sector, kind, replaced_at FROM messages ORDER BY number"):
        sent[row["sector"]].append(row["kind"] + ("" if row["replaced_at"] is None else ", replaced"))
    upgraded = {row["sector"] for row in site.ask(UPGRADES)}
    for row in site.ask("SELECT name FROM sectors"):
        if sent[row["name"]] != ["precommit", "proof", *["snapup"] * (row["name"] in upgraded)]:
            yield f"{row['name']} has sent {sent[row['name']]}"


def _disks(site: Site) -> Iterator[str]:
    """Nothing is left in the locations; in the store is what belongs there, and nothing else."""
    for location in site.locations:
        yield from (f"{path} is left behind" for path in _files(location))
    wanted = {site.store / name.format(row["name"]) for row in site.ask("SELECT name FROM sectors") for name in STORED}
    wanted |= {site.store / name.format(row["sector"]) for row in site.ask(UPGRADES) for name in UPGRADED}
    there = set(_files(site.store))
    yield from (f"{path} is missing" for path in sorted(wanted - there))
    yield from (f"{path} does not belong there" for path in sorted(there - wanted))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def _processes(site: Site) -> Iterator[str]:
    """None is at work on the disks, or was started for the site, but the programs that still run, and who looks."""
    known = {os.getsid(0), *(program.pid for program in site.programs if program.is_running)}
    for pid in sorted(at_work_in([*site.locations, site.store]) | begun_for(site.folder)):
        if (led_by := session(pid)) is not None and led_by not in known:
            yield f"process {pid} is left behind: {job_of(pid) or 'of no job'}"
