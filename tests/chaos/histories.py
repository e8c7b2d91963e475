"""What the histories of a campaign must be: each task has one run, which went its way once, step by step.

Read from the events that the server has recorded, in JSON, and not from what a workflow says of itself.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

from tests.chaos.site import Site

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
BACK = frozenset({"TicketExpired", "resume", "control"})
"""Events and commands that may take a task back."""


async def check_histories(site: Site, client: Client, ways_back: dict[str, int]) -> AsyncIterator[str]:
    """Tell of each task that is not as it must be. Note in ``ways_back`` how often each was taken back."""
    runs: defaultdict[str, int] = defaultdict(int)
    async for found in client.list_workflows("WorkflowType IN ('Sealer', 'SnapUp')"):
        runs[found.id] += 1
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        events = history.to_json_dict()["events"]
        ways_back[found.id] = sum(name in BACK for name in names(events))
        if found.status is not WorkflowExecutionStatus.COMPLETED:
            yield f"{found.id} is {found.status and found.status.name}: {await _stands(client, found.id)}"
        elif line := astray(found.id, events):
            yield line
    given = {f"sealer-{row['name'].removeprefix('s-')}" for row in site.ask("SELECT name FROM sectors")}
    given |= {f"snapup-{row['sector'].removeprefix('s-')}" for row in site.ask("SELECT sector FROM upgrades")}
    if given != set(runs):
        yield f"the manager's sectors and the server's workflows differ in {sorted(given ^ set(runs))}"
    for task, count in runs.items():
        if count > 1:
            yield f"{task} had {count} runs"


def astray(task: str, events: Sequence[dict[str, Any]]) -> str | None:
    """Return in what a finished task's history differs from the way that it must go; one that was taken back may."""
    gone = list(names(events))
    way = " ".join(gone).replace(STORED_AGAIN, "")
    if way == WAYS[task.partition("-")[0]] or BACK & set(gone):
        return None
    return f"{task} went another way than it must: {' '.join(gone)}"


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
