"""What the histories of a campaign must be: each task has one run, which went its way once, step by step.

Read from the events that the server has recorded, in JSON, and not from what a workflow says of itself.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

EVENTS = 12
"""How many of its last events are told of a task that has not ended."""
WAYS = {
    "sealer": "AcquireDeals AddPiece BuildTreeD AssignTicket PC1 PC2 SubmitPC CheckPC Persist SubmitPersistance"
    " AssignSeed C1 C2 SubmitProof Finish",
    "snapup": "AddPiece BuildTreeD SnapEncode SnapProve Persist Finish",
}
"""The events of a task to which nothing happened on chain, in their order."""
STORED_AGAIN = " RePersist Persist"
"""What a manager whose store was away brings about, as often as it misses an upgrade's files."""
COMPLETED = WorkflowExecutionStatus.COMPLETED.name
FINISH = "Finish"
RUNNING = WorkflowExecutionStatus.RUNNING.name
REPLACED = WorkflowExecutionStatus.TERMINATED.name
MANAGERS = frozenset(
    ["AcquireDeals", "AssignTicket", "SubmitPC", "CheckPC", "SubmitPersistance", "AssignSeed", "SubmitProof", "Finish"]
)
"""Events of steps that only ask the manager."""
BACK = frozenset({"TicketExpired", "resume", "control"})
"""Events and commands that may take a task back."""


@dataclass(frozen=True)
class Run:
    """A run of a task: how it ended, the names of what moved it, its id, and, unless it completed, what it is at."""

    task: str
    status: str
    gone: tuple[str, ...]
    run_id: str = ""
    stands: str = ""

    @property
    def ways_back(self) -> int:
        """How often it may have been taken back."""
        return sum(name in BACK for name in self.gone)


async def read_runs(client: Client) -> list[Run]:
    """Return all runs of tasks that the server knows."""
    runs = []
    async for found in client.list_workflows("WorkflowType IN ('Sealer', 'SnapUp')"):
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        gone = tuple(names(history.to_json_dict()["events"]))
        status = found.status.name if found.status else "of no status"
        stands = "" if status == COMPLETED else await _stands(client, found.id)
        runs.append(Run(found.id, status, gone, found.run_id, stands))
    return runs


def check_runs(given: set[str], runs: Sequence[Run]) -> Iterator[str]:
    """Tell of each task that was given out, and of each run, that is not as it must be."""
    for run in runs:
        if run.status != COMPLETED:
            yield f"{run.task} is {run.status}: {run.stands}"
        elif run.ways_back == 0 and " ".join(run.gone).replace(STORED_AGAIN, "") != WAYS[run.task.partition("-")[0]]:
            yield f"{run.task} went another way than it must: {' '.join(run.gone)}"
    count = Counter(run.task for run in runs)
    if given != set(count):
        yield f"the manager's sectors and the server's workflows differ in {sorted(given ^ set(count))}"
    yield from (f"{task} had {runs_of} runs" for task, runs_of in count.items() if runs_of > 1)


def joined(earlier: Sequence[Run], later: Sequence[Run]) -> list[Run]:
    """Return the runs of two databases, of which the first was lost, with each adopted task's two as one.

    One that had gone all its way, and had only to note that, counts as completed: of its end the manager knows.
    """
    before = {run.task: run for run in earlier if run.status == RUNNING}
    adopted = [replace(run, gone=_lapped(before.pop(run.task), run)) if run.task in before else run for run in later]
    over = [replace(run, status=COMPLETED) if run.gone[-1:] == (FINISH,) else run for run in before.values()]
    return [*(run for run in earlier if run.status != RUNNING), *over, *adopted]


def restored(earlier: Sequence[Run], later: Sequence[Run]) -> list[Run]:
    """Return the runs of a database and of an old backup of it that took its place, each task's as one.

    A run that is in both goes on from the backup, unless it had ended before, which it must have seen, or gave way to
    one that was adopted. That one, and what began after the backup, goes on from where the first database left off.
    """
    known = {run.run_id: run for run in earlier}
    over = {run.run_id for run in earlier if run.status != RUNNING or run.gone[-1:] == (FINISH,)}
    twice, others = [run for run in later if run.run_id in known], [run for run in later if run.run_id not in known]
    goes_on = [run for run in twice if run.status == RUNNING or (run.status != REPLACED and run.run_id not in over)]
    left = [known[id_] for id_ in known.keys() - {run.run_id for run in goes_on}]
    return [*goes_on, *joined(left, others)]


def _lapped(before: Run, after: Run) -> tuple[str, ...]:
    """Return the way of a task that began again from its state file.

    The manager's steps since the last one on the machine are not in the file: they are repeated. A step that had ended,
    and of whose end the database had not heard yet, is in the file alone.
    """
    if not after.gone:
        return before.gone
    way = tuple(WAYS[before.task.partition("-")[0]].split())
    gone, again = (tuple(" ".join(run.gone).replace(STORED_AGAIN, "").split()) for run in (before, after))
    if again[0] in gone and set(gone[gone.index(again[0]) :]) <= MANAGERS:
        gone = gone[: gone.index(again[0])]
    unheard = way[len(gone) : len(gone) + 1]
    whole = gone + unheard + again
    return whole if whole == way[: len(whole)] and not MANAGERS & set(unheard) else gone + again


def names(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the names of what moved a task: its steps' events, and the commands that it was given."""
    for event in events:
        if signaled := event.get("workflowExecutionSignaledEventAttributes"):
            yield signaled["signalName"]
        elif accepted := event.get("workflowExecutionUpdateAcceptedEventAttributes"):
            yield accepted["acceptedRequest"]["input"]["name"]
        elif ended := event.get("activityTaskCompletedEventAttributes"):
            yield from _event(ended.get("result"))
        elif marked := event.get("markerRecordedEventAttributes"):
            yield from _event(marked["details"].get("result"))


def _event(payloads: dict[str, Any] | None) -> Iterator[str]:
    for payload in (payloads or {}).get("payloads", ()):
        result = json.loads(base64.b64decode(payload.get("data", "")) or "null")
        if isinstance(result, dict) and "event" in result:
            yield result["event"]["event"]


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
