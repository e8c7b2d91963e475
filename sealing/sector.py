"""A sector's data, all that its workflow knows, and how an event changes it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from sealing.failures import TICKET_EXPIRED, Failure
from sealing.flow.events import AnyEvent, Event, TicketExpired
from sealing.flow.state import State
from sealing.flow.table import Flow
from sealing.stores.layout import SectorFiles
from sealing.values import (
    Base64,
    Deal,
    FileRef,
    Frozen,
    Hex32,
    Parcel,
    Piece,
    SectorId,
    Seed,
    Submission,
    Ticket,
    Upgrade,
)


class Home(Frozen):
    """Where a sector's files are: the worker, which is also its machine's task queue, and the thread's location."""

    worker: str
    location: str


class Sector(Frozen):
    """A sector as its workflow knows it. Fields after ``proof_type`` are set by the events that bear their names."""

    home: Home
    id: SectorId
    proof_type: int
    round: int = 0
    """Ways back taken so far: part of every job's fingerprint, so that going back computes anew."""
    trace: str = ""
    """The id of the task's trace, 32 hex digits; none for a task that began before there were traces."""
    deals: tuple[Deal, ...] | None = None
    upgrade: Upgrade | None = None
    pieces: tuple[Piece, ...] | None = None
    tree_d: str | None = None
    ticket: Ticket | None = None
    expired_ticket: Ticket | None = None
    pc1_output: FileRef | None = None
    comm_r: Hex32 | None = None
    comm_d: Hex32 | None = None
    synthetic_needed: bool | None = None
    """Only a sector of such a proof type can be in SyntheticPoRepNeeded, or be taken back there."""
    synthetic_proofs: str | None = None
    precommit_sent: Submission | None = None
    precommit_failed: str | None = None
    precommit_landed: str | None = None
    persisted_in: str | None = None
    persistence_confirmed: str | None = None
    persistence_refused: str | None = None
    seed: Seed | None = None
    c1_output: FileRef | None = None
    proof: Base64 | None = None
    proof_sent: Submission | None = None
    proof_failed: str | None = None
    proof_outcome: str | None = None

    @property
    def files(self) -> SectorFiles:
        """The sector's files on its machine."""
        return SectorFiles.local(self.home.location, self.id)

    def after(self, flow: Flow, state: State, event: Event) -> Sector:
        """Return the sector after ``event`` in ``state``. A way back clears what the states from there on had set."""
        to = flow.rows[state].edges[type(event)]
        came = {name: getattr(event, name) for name in event.sets()}
        base = self.back_at(flow, to) if flow.is_back(state, to) else self
        return base.model_copy(update=came)

    def back_at(self, flow: Flow, state: State) -> Sector:
        """Return the sector without what ``state`` and the states after it set."""
        return self.model_copy(update={**dict.fromkeys(flow.cleared_at(state)), "round": self.round + 1})

    def reached(self, flow: Flow, state: State) -> tuple[int, int]:
        """Return how far the task has come when it is in ``state``: of two moments of one task, the later has more."""
        return self.round, flow.order.get(state, len(flow.order))

    def lacks(self, flow: Flow, state: State) -> list[str]:
        """Return the fields that ``state``'s step needs and that a sector taken back there would not have."""
        there = self.back_at(flow, state)
        return [name for name in flow.rows[state].needs if getattr(there, name) is None]


class Settings(Frozen):
    """What the configuration says about one task, fixed when the task starts."""

    recover_interval: timedelta = timedelta(seconds=60)
    max_retries: int = 5
    rpc_polling_interval: timedelta = timedelta(seconds=30)
    resubmit_interval: timedelta = timedelta(minutes=3)
    ignore_proof_check: bool = False
    verify_after_pc2: bool = False
    expired_ticket: Literal["rewind", "park", "abort"] = "rewind"
    ticket_lifetime: timedelta = timedelta(hours=24)
    """How long after it was drawn a ticket is worth computing on: (3780 - 900) epochs of 30 s."""
    abort_patience: timedelta = timedelta(minutes=5)
    """How long an abort waits for the sector's machine."""
    heartbeat_timeout: timedelta = timedelta(seconds=20)
    enable_deals: bool = False
    disable_cc: bool = False
    max_deals: int | None = None
    min_deal_space: int | None = None
    pools: dict[str, str] = Field(default={})
    """The shared queue of each step that other machines may run, by its activity; none: the sector's machine."""


def ticket_ends(sector: Sector, settings: Settings) -> float | None:
    """Return until when the sector's ticket is worth computing on, in seconds since 1970; None: nothing ends.

    That is so without a ticket, for one of which nobody knows when it was drawn, and once a pre-commit with it was
    sent: then only the replica that it makes is the one on chain.
    """
    ticket, sent = sector.ticket, sector.precommit_sent
    if ticket is None or not ticket.drawn_at or (sent is not None and sent.ticket_epoch == ticket.epoch):
        return None
    return ticket.drawn_at + settings.ticket_lifetime.total_seconds()


class Task(Frozen):
    """What a step's activity is given: the sector as it is, the settings, and the state whose step it is."""

    sector: Sector
    settings: Settings
    state: State
    reset: bool = False
    """The run was made by a reset of the workflow, or from a state file: an earlier one may have done more."""
    looked: bool = False
    """The replica was found to be the one that the sector speaks of."""
    parcel: Parcel | None = None
    """The step's input, for a machine that has none of the sector's files."""
    after: str = ""
    """The span of the failed attempt that this step repeats, where there are traces."""


class Outcome(Frozen):
    """What a step's activity gives back: the event, and the seconds that it queued and ran on the machine."""

    event: AnyEvent
    wait_seconds: float = 0.0
    run_seconds: float = 0.0


class Report(Frozen):
    """What the manager is told of a sector: the state that it has entered, how, and why it stands still, if it does."""

    sector: SectorId
    home: Home
    previous: State
    next: State
    event: str
    failure: Failure | None = None
    trace: str = ""


class Verdict(Frozen):
    """The manager's answer to a report: whether it has ended the task, and why."""

    finalized: bool = False
    reason: str = ""


class Ending(Frozen):
    """A task's last report. ``tell`` is false where the manager itself has ended the task."""

    report: Report
    abort_reason: str = ""
    tell: bool = True


class Memory(Frozen):
    """What a task takes along when its workflow continues as new, beside state and sector."""

    stays: tuple[Stay, ...]
    previous: State
    event: str
    since: datetime
    tries: int
    halted: bool
    failure: Failure | None


class SectorInput(Frozen):
    """A sector workflow's input. The flow's version keeps a running task on the table that it started with."""

    flow: str
    flow_version: int
    state: State
    sector: Sector
    settings: Settings
    memory: Memory | None = None
    adopted: bool = False
    """It was started again from a state file, or goes on from a run that was, or that was reset."""

    @property
    def workflow_id(self) -> str:
        """The workflow's id: the sector's own, so that Temporal keeps a second task of that kind away."""
        return task_id(self.flow, self.sector.id)


def sector_of(workflow_id: str) -> SectorId | None:
    """Return the sector whose task has a workflow id; None for a thread's."""
    flow, _, sector = workflow_id.partition("-")
    return None if flow == "thread" else SectorId.named(sector)


def task_id(flow: str, sector: SectorId) -> str:
    """Return the workflow id of a sector's task in a flow, such as ``sealer-t01000-5``."""
    return f"{flow}-t0{sector.miner}-{sector.number}"


class ThreadInput(Frozen):
    """A sealing thread. The location is its identity, the index is for people."""

    worker: str
    location: str
    index: int
    heartbeat_timeout: timedelta = timedelta(seconds=20)
    paused: bool = False
    """It asks for no sector until it is resumed."""
    drained: bool = False
    """Its machine takes no new sectors until it is undrained."""


def thread_id(worker: str, location: Path) -> str:
    """Return a thread's workflow id. The location makes it, so that reordering the file moves no thread."""
    digest = hashlib.sha256(str(location.resolve()).encode()).hexdigest()[:8]
    return f"thread-{worker}-{location.name}-{digest}"


class Allocation(Frozen):
    """A thread's next task, how long the thread rests after it, and what there is to say about its configuration."""

    task: SectorInput
    seal_interval: timedelta
    note: str = ""
    follows_finished: bool = False
    """The id of the task's workflow is that of an earlier task that has finished, and begins once more."""


class Stay(Frozen):
    """One stay in a state: seconds in all, of which queueing and running on the machine, and the tries it took."""

    state: State
    entered: datetime
    seconds: float
    wait_seconds: float = 0.0
    run_seconds: float = 0.0
    tries: int = 1
    left_by: str = ""
    """The event, or the command, that ended it."""
    failure: str = ""
    """The last failure in it, cut short."""

    @property
    def outlasted_ticket(self) -> bool:
        """Whether the ticket expired in it, whatever the policy made of that."""
        return self.left_by == TicketExpired.__name__ or self.failure.startswith(TICKET_EXPIRED)


class Summary(Frozen):
    """A finished task's result."""

    sector: str
    state: State
    stays: tuple[Stay, ...]
    proof: Base64 | None = None
    comm_r: Hex32 | None = None
