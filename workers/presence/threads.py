"""A sealing thread as the manager's protocol has it, and how many are in which state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.flow.table import Place, Step
from sealing.manager.wire import PingSummary
from sealing.manager.worker import Idle, Paused, Running, ThreadState, Waiting, WorkerThread
from workers.operate.looking import ThreadView
from workflows.status import Status


def as_wire(view: ThreadView) -> WorkerThread:
    """Return a thread in the wire's form."""
    sector = view.sector
    step = _step(view)
    return WorkerThread(
        location=view.location,
        plan=view.plan,
        job_id=str(sector.sector.id) if sector else None,
        index=view.index,
        thread_state=_state(view),
        job_state=sector.state if sector else State.Empty,
        job_stage=step.activity if step else None,
        last_error=view.last_error or None,
    )


def count(views: Sequence[ThreadView]) -> PingSummary:
    """Return how many threads there are, without a sector, paused, running, waiting, and parked by a failure."""
    states = [_state(view).state for view in views]
    return PingSummary(
        threads=len(views),
        empty=states.count("Idle"),
        paused=states.count("Paused"),
        running=states.count("Running"),
        waiting=states.count("Waiting"),
        errors=sum(view.sector is not None and view.sector.failure is not None for view in views),
    )


def _state(view: ThreadView) -> ThreadState:
    elapsed = max(0, int((datetime.now(UTC) - view.since).total_seconds())) if view.since else 0
    sector = view.sector
    if sector is None:
        paused = view.thread is not None and view.thread.paused
        if view.thread is None or view.thread.sector is not None:
            return Waiting(elapsed=elapsed)  # nobody answers for it
        return Paused(elapsed=elapsed) if paused else Idle()
    if sector.halted:
        return Paused(elapsed=elapsed)
    step = _step(view)
    if _waits(sector, step):
        return Waiting(elapsed=elapsed)
    return Running(elapsed=elapsed, proc=step.activity if step and step.computes else None)


def _waits(sector: Status, step: Step | None) -> bool:
    return sector.recovering or sector.outage is not None or (step is not None and step.where is Place.Chain)


def _step(view: ThreadView) -> Step | None:
    return LATEST[view.sector.flow].rows.get(view.sector.state) if view.sector else None
