"""Where a task stands and how it came there: the machine's data, and the changes of it that need no waiting."""

from __future__ import annotations

from datetime import UTC, datetime

from sealing.failures import TICKET_EXPIRED, Failure, bounded
from sealing.flow.registry import flow_of
from sealing.flow.state import State
from sealing.flow.table import Step
from sealing.sector import Memory, Outcome, Report, SectorInput, Stay, Summary, Task, ticket_ends
from sealing.values import UNKNOWN, Submission
from workflows.commands import Answer
from workflows.orders import Standing
from workflows.status import Status

KEPT_STAYS = 200
"""Stays that are kept: a sector that goes round and round must not grow without end."""
STAY_TEXT = 300
"""Characters of a failure that a stay keeps."""


class Course:
    """One task's way through its flow so far. Times are the workflow's own."""

    def __init__(self, task: SectorInput, now: datetime, *, is_reset: bool) -> None:
        """Stand at the task's state, or where its workflow has left off to continue as new."""
        self.flow = flow_of(task.flow, task.flow_version)
        self.settings = task.settings
        self.sector = task.sector
        self.state = task.state
        self.is_reset = is_reset or task.adopted
        self.failure: Failure | None = None
        self.after = ""
        self.halted = False
        self.recovering = False
        self.outage: str | None = None
        self.answer: Answer | None = None
        self.tries = 1
        self.next_try: datetime | None = None
        self.since = now
        self.came: tuple[State, str] = (self.flow.start, "")
        self.stays: tuple[Stay, ...] = ()
        self._input = task
        if task.memory is not None:
            self._remember(task.memory)

    @property
    def has_ended(self) -> bool:
        """Whether the state is an end of the flow."""
        return self.state in self.flow.terminal

    @property
    def is_new(self) -> bool:
        """Whether the task has just begun, and is not one that continues as new."""
        return self._input.memory is None

    @property
    def step(self) -> Step:
        """The state's step; an end of the flow has none."""
        return self.flow.rows[self.state]

    @property
    def ticket_ends(self) -> datetime | None:
        """Until when the sector's ticket is worth computing on; None where nothing ends."""
        ends = ticket_ends(self.sector, self.settings)
        return None if ends is None else datetime.fromtimestamp(ends, UTC)

    # What changes

    def enter(self, state: State, event: str, now: datetime) -> None:
        """Go to a state."""
        self.came = (self.state, event)
        self.state = state
        self.since = now
        self.after = ""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Stand in the state as if it had just been entered: no failure, all tries ahead."""
        self.halted = False
        self.waited()
        self.failure = None
        self.tries = 1

    def waited(self) -> None:
        """Note that the wait before the next try is over, or given up."""
        self.recovering = False
        self.next_try = None

    def fail(self, failure: Failure) -> None:
        """Note how the state's step has failed. What runs it again knows the attempt, also after a resume."""
        self.failure = failure
        self.after = failure.span

    def advance(self, outcome: Outcome, now: datetime) -> None:
        """Go where a step's event leads."""
        event, previous = outcome.event, self.state
        name = type(event).__name__
        self.note_stay(name, now, outcome)
        self.sector = self.sector.after(self.flow, previous, event)
        self.enter(self.flow.rows[previous].edges[type(event)], name, now)

    def go_back(self, state: State, words: str, now: datetime) -> None:
        """Go to an earlier state, or to the same, without what it and later ones set."""
        self.note_stay(words, now)
        self.sector = self.sector.back_at(self.flow, state)
        self.enter(state, "Resume", now)

    def go_on(self) -> None:
        """Run the same state again."""
        self.came = (self.state, "Resume")
        self.begin_anew()

    def abort(self, now: datetime) -> None:
        """Go to the end, keeping what led there."""
        self.note_stay("Abort", now)
        self.came = (self.state, "Abort")
        self.state = State.Aborted
        self.halted = False
        self.waited()
        self.since = now

    def doubt_submission(self) -> None:
        """Note that something may have been sent, where a step that sends was let go of or has failed."""
        field = self.step.sends
        if field is not None and getattr(self.sector, field) is None:
            epoch = self.sector.ticket.epoch if self.sector.ticket else None
            doubt = Submission(digest=UNKNOWN, round=self.sector.round, ticket_epoch=epoch)
            self.sector = self.sector.model_copy(update={field: doubt})

    def note_stay(self, left_by: str, now: datetime, outcome: Outcome | None = None) -> None:
        """Keep the stay that ends."""
        stay = Stay(
            state=self.state,
            entered=self.since,
            seconds=(now - self.since).total_seconds(),
            wait_seconds=outcome.wait_seconds if outcome else 0.0,
            run_seconds=outcome.run_seconds if outcome else 0.0,
            tries=self.tries,
            left_by=left_by,
            failure=bounded(self.failure.text, STAY_TEXT) if self.failure else "",
        )
        self.stays = (*self.stays, stay)[-KEPT_STAYS:]

    # What is told of it

    def standing(self) -> Standing:
        """Return what commands are judged by."""
        return Standing(self.flow, self.sector, self.state, halted=self.halted, recovering=self.recovering)

    def task(self) -> Task:
        """Return what an activity is given."""
        return Task(sector=self.sector, settings=self.settings, state=self.state, reset=self.is_reset, after=self.after)

    def status(self) -> Status:
        """Return all that an operator sees."""
        return Status(
            flow=self.flow.name,
            state=self.state,
            halted=self.halted,
            recovering=self.recovering,
            since=self.since,
            tries=self.tries,
            max_tries=self.settings.max_retries + 1,
            next_try=self.next_try,
            failure=self.failure,
            outage=self.outage,
            sector=self.sector,
            last_command=self.answer,
            resumable=self.standing().resumable(),
            stays=self.stays,
            ticket_expires=self.ticket_ends,
            tickets_expired=self._tickets_expired(),
        )

    def _tickets_expired(self) -> int:
        here = self.failure is not None and self.failure.text.startswith(TICKET_EXPIRED)
        return sum(stay.outlasted_ticket for stay in self.stays) + int(here)

    def report(self) -> Report:
        """Return what the manager is told."""
        previous, event = self.came
        return Report(
            sector=self.sector.id,
            home=self.sector.home,
            previous=previous,
            next=self.state,
            event=event,
            failure=self.failure,
            trace=self.sector.trace,
        )

    def summary(self) -> Summary:
        """Return the result of a task that has finished."""
        return Summary(
            sector=str(self.sector.id),
            state=self.state,
            stays=self.stays,
            proof=self.sector.proof,
            comm_r=self.sector.comm_r,
        )

    def continued(self) -> SectorInput:
        """Return the input with which the workflow continues as new."""
        memory = Memory(
            stays=self.stays,
            previous=self.came[0],
            event=self.came[1],
            since=self.since,
            tries=self.tries,
            halted=self.halted,
            failure=self.failure,
        )
        return self._input.model_copy(
            update={"state": self.state, "sector": self.sector, "memory": memory, "adopted": self.is_reset}
        )

    def _remember(self, memory: Memory) -> None:
        self.stays = memory.stays
        self.came = (memory.previous, memory.event)
        self.since = memory.since
        self.tries = memory.tries
        self.halted = memory.halted
        if memory.halted and memory.failure is not None:
            self.fail(memory.failure)
