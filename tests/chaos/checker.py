"""Looks at what is left of a campaign: the manager's database, the histories, the journal, the disks, the processes.

It knows the files' names, the tables and the histories, and uses no code of the product's for them: what it finds is
not what that believes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from tests.chaos.blows import jobs
from tests.chaos.site import Site

EVENTS = 12
"""How many of its last events are told of a task that has not ended."""
AUXILIARY = ("p_aux", "t_aux", "sc-02-data-tree-r-last.dat")
UPGRADED = ("update/{0}", *(f"update-cache/{{0}}/{name}" for name in AUXILIARY))
UPGRADES = "SELECT sector FROM upgrades"
ASKED_AGAIN = {"RePersist": ("SnapProved", "Persisted")}
"""The states that an event brings back: the manager, whose store was away, has not found the files of an upgrade."""
STORED = ("sealed/{0}", *(f"cache/{{0}}/{name}" for name in AUXILIARY))


async def check(site: Site, client: Client) -> list[str]:
    """Return what is wrong, a line each; nothing where nothing was lost or done twice."""
    return [
        *_sectors(site),
        *_messages(site),
        *_stages(site.journal),
        *_disks(site),
        *_processes(site.folder),
        *[line async for line in _histories(site, client)],
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


def _stages(journal: Path) -> Iterator[str]:
    """No job was begun again that was completed for the same inputs."""
    completed: Counter[tuple[str, str]] = Counter()
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        job = (entry["job"], entry["mark"])
        if entry["what"] == "completed":
            completed[job] += 1
        elif completed[job]:
            yield f"{entry['job']} was begun again after it was completed, at {entry['at']:.3f}"


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


def _processes(folder: Path) -> Iterator[str]:
    """No job runs."""
    yield from (f"process {pid} is left behind" for pid in jobs(folder))


async def _histories(site: Site, client: Client) -> Any:
    """Each task completed in the only run that it had, and left each state once."""
    runs: defaultdict[str, list[str]] = defaultdict(list)
    async for found in client.list_workflows("WorkflowType IN ('Sealer', 'SnapUp')"):
        runs[found.id].append(found.run_id)
        if found.status is not WorkflowExecutionStatus.COMPLETED:
            yield f"{found.id} is {found.status and found.status.name}: {await _stands(client, found.id)}"
            continue
        for state, count in (await _left(client.get_workflow_handle(found.id, run_id=found.run_id))).items():
            if count > 1:
                yield f"{found.id} left {state} {count} times"
    given = {f"sealer-{row['name'].removeprefix('s-')}" for row in site.ask("SELECT name FROM sectors")}
    given |= {f"snapup-{row['sector'].removeprefix('s-')}" for row in site.ask(UPGRADES)}
    if given != set(runs):
        yield f"the manager's sectors and the server's workflows differ in {sorted(given ^ set(runs))}"
    for task, those in runs.items():
        if len(those) > 1:
            yield f"{task} had {len(those)} runs"


async def _stands(client: Client, task: str) -> str:
    """Return what a task that has not ended is at: its attributes, what it waits for, and its last events."""
    described = await client.get_workflow_handle(task).describe()
    fields = described.raw_info.search_attributes.indexed_fields
    attributes = {name: payload.data.decode() for name, payload in fields.items()}
    pending = [MessageToDict(each) for each in described.raw_description.pending_activities]
    events = (await client.get_workflow_handle(task).fetch_history()).events[-EVENTS:]
    last = [f"{each.event_id} {EventType.Name(each.event_type)}" for each in events]
    why = events[-1].workflow_execution_failed_event_attributes.failure.message
    return f"{why} {attributes}, pending {pending}, last {last}"


async def _left(handle: WorkflowHandle[Any, Any]) -> Counter[str]:
    """Count how often a task left each state, but for what an event made it leave again."""
    stays = (await handle.result())["stays"]
    left = Counter(stay["state"] for stay in stays)
    for stay in stays:
        left.subtract(ASKED_AGAIN.get(stay["left_by"], ()))
    return left
