"""What the sectors are at, read from Temporal: for the demo's table and for lists."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from sealing.flow.snapup import SNAPUP
from sealing.metrics.definitions import PARKING_LEVELS
from workers.pending import described
from workflows import attributes

AT_ONCE = 50
"""Descriptions that are asked for at once."""
SECTORS = "WorkflowType IN ('Sealer', 'SnapUp')"


@dataclass(frozen=True)
class Waits:
    """That a stage waits for its turn on its machine: since when, and for what in words."""

    stage: str
    since: datetime
    what: str

    def __str__(self) -> str:
        """Return all of it in words."""
        seconds = max(0.0, (datetime.now(UTC) - self.since).total_seconds())
        return f"{self.stage} waits {seconds:.0f} s for {self.what}"


@dataclass(frozen=True)
class SectorView:
    """A sector's task as seen from outside."""

    workflow_id: str
    run_id: str
    sector: str
    state: str
    status: str
    parked: bool
    level: str
    worker: str
    began: datetime
    seconds: float
    """Since the task began, to now or to its end."""
    doing: str
    """What its step is at, in words."""
    waits: Waits | None = None
    ticket_expires: datetime | None = None
    """Until when its ticket is worth computing on."""

    @property
    def standing(self) -> str:
        """How it stands in one word: parked, paused, runs, or its end."""
        if self.closed:
            return self.status.lower()
        if self.parked:
            return "parked" if self.level in PARKING_LEVELS else "paused"
        return "runs"

    @property
    def is_upgrade(self) -> bool:
        """Whether the task is a snap-up of a sector that was finished before."""
        return self.workflow_id.startswith(f"{SNAPUP.name}-")

    @property
    def title(self) -> str:
        """The sector, and what of it: a sector that is upgraded is there twice."""
        return f"{self.sector} upgrade" if self.is_upgrade else self.sector

    def ended_before(self, moment: float) -> bool:
        """Tell whether the task had ended by a moment, in seconds since 1970."""
        return self.closed and self.began.timestamp() + self.seconds < moment

    @property
    def closed(self) -> bool:
        """Whether the task has ended, in one way or another."""
        return self.status != WorkflowExecutionStatus.RUNNING.name


async def look(client: Client, query: str = SECTORS) -> list[SectorView]:
    """Return the sectors that a visibility query finds, in the order in which they began."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(workflow_id: str, run_id: str | None) -> SectorView:
        async with turn:
            return see(await described(client, workflow_id, run_id))

    found = [(execution.id, execution.run_id) async for execution in client.list_workflows(query)]
    views = await asyncio.gather(*(one(*each) for each in found))
    return sorted(views, key=lambda view: view.began)


def see(found: WorkflowExecutionDescription) -> SectorView:
    """Return a task as its description shows it, which must be in plain."""
    shown = found.typed_search_attributes
    parked = shown.get(attributes.PARKED, default=False)
    pending = list(found.raw_description.pending_activities)
    end = found.close_time or datetime.now(UTC)
    return SectorView(
        workflow_id=found.id,
        run_id=found.run_id,
        sector=shown.get(attributes.SECTOR_ID, default=found.id),
        state=shown.get(attributes.SEAL_STATE, default="?"),
        status=found.status.name if found.status else "?",
        parked=parked,
        level=shown.get(attributes.FAILURE_LEVEL, default=""),
        worker=shown.get(attributes.SEAL_WORKER, default=""),
        began=found.start_time,
        seconds=(end - found.start_time).total_seconds(),
        doing="stands still" if parked else "; ".join(filter(None, map(_doing, pending))),
        waits=next(filter(None, (_waits(beat) for each in pending for beat in _beats(each))), None),
        ticket_expires=None if found.close_time else shown.get(attributes.TICKET_EXPIRES),
    )


def _beats(pending: PendingActivityInfo) -> list[dict[str, Any]]:
    """Return what a running activity's last heartbeat told; of one that does not run it is of no interest."""
    runs = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return [json.loads(payload.data or b"{}") for payload in pending.heartbeat_details.payloads if runs]


def _waits(beat: dict[str, Any]) -> Waits | None:
    if "for" not in beat:
        return None
    return Waits(beat["stage"], datetime.fromtimestamp(beat["since"], UTC), beat["for"])


def _doing(pending: PendingActivityInfo) -> str:
    """Return in words what an activity is at: its own account while it runs, else why it is tried again, or its name.

    Why an attempt before had to wait, for room on a disk for example, is not what one is at that runs.
    """
    name = pending.activity_type.name
    for beat in _beats(pending):
        if waits := _waits(beat):
            return str(waits)
        if beat.get("stage"):
            seconds = f" {beat['seconds']:.0f} s" if beat.get("seconds") else ""
            return f"{beat['stage']} {beat.get('phase', 'runs')}{seconds}"
    waits_for = pending.last_failure.message
    return f"{name}: {waits_for}" if waits_for else name
