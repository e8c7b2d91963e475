"""The span of each attempt at an activity that belongs to a sector, and the first span of its trace.

An attempt is named by its run, activity and number, so the next one knows the span of the one before. One whose worker
was killed has told nobody: what its heartbeats left, when it began and that it lived, is enough for the next attempt to
tell it in its place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import beats
from sealing import tracing
from sealing.failures import Level, LookFirst, Outage, Wait, bounded
from sealing.flow.events import Event
from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.sector import Allocation, Ending, Report, SectorInput, Task
from sealing.tracing import Attributes, Span, Tracing, Trail
from sealing.values import Frozen, SectorId

FLOWS = {flow.workflow: flow.name for flow in LATEST.values()}
OUTCOMES = {Wait.__name__: tracing.WAITS, Outage.__name__: tracing.OUTAGE, LookFirst.__name__: tracing.LOOKS_FIRST}


class Life(Frozen):
    """What an attempt's heartbeats say of it: all that is left of it if its worker is killed."""

    attempt: int
    worker: str
    process: str
    began: float
    at: float
    ended: bool = False


@dataclass(frozen=True)
class Subject:
    """What an activity is about: a sector, its trace, the state, and the failed attempt that this one repeats."""

    sector: SectorId
    trace: str
    state: State
    after: str = ""
    is_report: bool = False
    """It is but a call to the manager, whose span says all: there is none of its own."""


def request_key() -> str:
    """Return what names the running thread's request for a sector: one request a run of its workflow."""
    info = activity.info()
    return f"{info.workflow_id}/{info.workflow_run_id}"


def new_trace(workflow_id: str) -> str:
    """Return the id of the trace of the task that the running thread has asked for: the same however often it asks."""
    return tracing.trace_of(activity.info().namespace, workflow_id, request_key())


class Attempt:
    """The running attempt."""

    def __init__(self, argument: object, to: Tracing | None) -> None:
        """Begin. Without ``to`` only the log lines know of it."""
        self._info = activity.info()
        self._to = to
        self._subject = _subject(argument)
        self.result: object = None
        self.trail = self._trail()
        self._links: tuple[str, ...] = ()
        self._links = tuple(filter(None, [self._before()]))
        tracing.begin(self.trail)

    @property
    def span(self) -> str:
        """The id of the attempt's span; none where there will be no span."""
        return "" if self._is_report else self.trail.span

    def life(self, *, ended: bool = False) -> tuple[Life, ...]:
        """Return what a heartbeat says of the attempt, if anything."""
        if self._to is None or self._subject is None:
            return ()
        number, to, began = self._info.attempt, self._to, self.trail.began
        return (Life(attempt=number, worker=to.worker, process=to.process, began=began, at=time.time(), ended=ended),)

    def close(self, outcome: Attributes, error: str | None = None) -> None:
        """Tell of the attempt and of all that has happened in it."""
        if isinstance(self.result, Allocation):
            self._tell_beginning(self.result.task)
        elif self._is_report:
            self._tell(*self.trail.parts or ())
        elif self._subject is not None:
            self._tell(self._made(self._subject, outcome, error), *self.trail.parts or ())

    @property
    def _is_report(self) -> bool:
        return self._subject is not None and self._subject.is_report

    def _tell(self, *spans: Span) -> None:
        if self._to is not None:
            for each in spans:
                self._to.emit(each)

    def _tell_beginning(self, task: SectorInput) -> None:
        """Tell the trace's first span, where this thread's run has begun the task.

        If the allocation runs twice it is told twice, under the same ids: better than never, for all others hang on it.
        """
        trace, sector = task.sector.trace, str(task.sector.id)
        if trace != new_trace(task.workflow_id):
            return
        root, about = tracing.root_of(trace), {tracing.SECTOR: sector}
        said = {
            tracing.FLOW: task.flow,
            tracing.STATE: State.Empty.value,
            tracing.STEP: LATEST[task.flow].rows[State.Empty].activity,
            tracing.WORKFLOW: task.workflow_id,
        }
        parts = [
            replace(part, trace=trace, parent=root, attributes={**part.attributes, **about})
            for part in self.trail.parts or ()
        ]
        self._tell(Span(task.flow, trace, root, "", self.trail.began, time.time(), {**about, **said}), *parts)

    def _made(self, subject: Subject, outcome: Attributes, error: str | None = None) -> Span:
        info, trail = self._info, self.trail
        about: Attributes = {
            tracing.SECTOR: trail.sector,
            tracing.FLOW: FLOWS.get(info.workflow_type or "", ""),
            tracing.STATE: subject.state.value,
            tracing.STEP: trail.step,
            tracing.ATTEMPT: info.attempt,
            tracing.WORKFLOW: info.workflow_id or "",
            tracing.RUN: info.workflow_run_id or "",
            tracing.ACTIVITY: info.activity_id,
            **outcome,
        }
        return Span(
            trail.step, trail.trace, trail.span, _parent(subject), trail.began, time.time(), about, self._links, error
        )

    # The attempt before

    def _before(self) -> str:
        """Return the span that this attempt follows on; none where it is not known."""
        info, to = self._info, self._to
        if self._subject is None or self._is_report or to is None:
            return ""
        if info.attempt == 1:
            return self._subject.after
        if not beats.from_start(info):
            return self._id(self.trail.trace, info.attempt - 1)
        life = _life(info.heartbeat_details)
        if life is None:
            return ""
        before = self._id(self.trail.trace, life.attempt)
        if not life.ended and life.process != to.process:
            lost: Attributes = {
                tracing.OUTCOME: tracing.LOST,
                tracing.WORKER: life.worker,
                tracing.ATTEMPT: life.attempt,
            }
            to.emit(replace(self._made(self._subject, lost), id=before, began=life.began, ended=life.at))
        return before

    def _trail(self) -> Trail:
        trail, subject, info = Trail(self._info.activity_type), self._subject, self._info
        trail.parts = None if self._to is None else []
        if subject is not None:
            trail.sector = str(subject.sector)
            trail.trace = subject.trace or tracing.trace_of(info.namespace, info.workflow_id or "", "")
            if self._to is not None:
                trail.span = _parent(subject) if subject.is_report else self._id(trail.trace, info.attempt)
        return trail

    def _id(self, trace: str, attempt: int) -> str:
        info = self._info
        # A local activity that is run again begins with its first attempt again.
        local = [self._to.process] if info.is_local and self._to is not None else []
        return tracing.attempt_of(trace, info.workflow_run_id or "", info.activity_id, str(attempt), *local)


@contextmanager
def attempted(argument: object, to: Tracing | None) -> Iterator[Attempt]:
    """Follow an attempt to its end."""
    attempt = Attempt(argument, to)
    try:
        yield attempt
    except ApplicationError as error:
        attempt.close(*_failed(error))
        raise
    except asyncio.CancelledError:
        attempt.close({tracing.OUTCOME: tracing.LET_GO})
        raise
    event = {tracing.EVENT: type(attempt.result).__name__} if isinstance(attempt.result, Event) else {}
    attempt.close(event)


def _failed(error: ApplicationError) -> tuple[Attributes, str | None]:
    if outcome := OUTCOMES.get(error.type or ""):
        return {tracing.OUTCOME: outcome}, None
    level = error.type if error.type in Level.__members__ else Level.Permanent.value
    return {tracing.LEVEL: level or ""}, bounded(error.message, tracing.ERROR_TEXT)


def _subject(argument: object) -> Subject | None:
    match argument:
        case Task():
            return Subject(argument.sector.id, argument.sector.trace, argument.state, argument.after)
        case Report():
            return Subject(argument.sector, argument.trace, argument.next, is_report=True)
        case Ending():
            report = argument.report
            return Subject(report.sector, report.trace, report.next)
        case _:
            return None


def _parent(subject: Subject) -> str:
    """Return the id of the trace's first span; a task that began before there were traces has none."""
    return tracing.root_of(subject.trace) if subject.trace else ""


def _life(details: Any) -> Life | None:  # noqa: ANN401 - whatever an earlier worker's heartbeat has said
    try:
        return Life.model_validate(details[1])
    except (IndexError, ValueError):
        return None
