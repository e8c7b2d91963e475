"""The one loop that runs every flow. What it runs is the table's; what it obeys are the operator's commands.

While the state is not terminal: publish, run the state's step, and go where its event leads. A command ends whatever
is waited for; a computation is only let go of, so that its result is there when the sector is resumed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from sealing.failures import Failure, Level, bounded
from sealing.flow.registry import FLOWS
from sealing.flow.state import State
from sealing.sector import Ending, Outcome, Report, SectorInput, Stay, Summary, Task
from sealing.values import UNKNOWN, Submission
from workflows import attributes
from workflows.calls import failure_of, run_step
from workflows.commands import Answer, Command, Kind, Refused
from workflows.details import render
from workflows.ending import close, surely
from workflows.reporter import Reporter
from workflows.status import Status


class Machine:
    """One task on its way through its flow."""

    def __init__(self, task: SectorInput) -> None:
        """Stand at the task's state, before any step."""
        self.flow = FLOWS[task.flow, task.flow_version]
        self.settings = task.settings
        self.sector = task.sector
        self.state = task.state
        self.failure: Failure | None = None
        self.halted = False
        self.recovering = False
        self.answer: Answer | None = None
        self._tries = 1
        self._since = workflow.now()
        self._stays: list[Stay] = []
        self._came: tuple[State, str] = (self.flow.start, "")
        self._commands: deque[Command] = deque()
        self._reporter = Reporter()
        self._shown: dict[str, object] = {}
        self._abort_reason = ""

    # What others ask and order

    def order(self, command: Command) -> None:
        """Take a command; it is carried out as soon as the loop comes to it.

        One that would be refused disturbs nothing, unless others before it may still change that.
        """
        try:
            if not self._commands:
                self._check(command)
        except Refused as refusal:
            self.refuse(command.words, str(refusal))
        else:
            self._commands.append(command)

    def refuse(self, command: str, why: str) -> None:
        """Leave the sector as it is and show why a command was refused."""
        self.answer = Answer(command=command, refused=why)
        workflow.logger.warning("%s refused: %s", command, why)
        self._show()

    def status(self) -> Status:
        """Return all that an operator sees."""
        return Status(
            flow=self.flow.name,
            state=self.state,
            halted=self.halted,
            recovering=self.recovering,
            since=self._since,
            tries=self._tries,
            failure=self.failure,
            sector=self.sector,
            last_command=self.answer,
        )

    # The loop

    async def run(self) -> Summary:
        """Run to the end. Raises ApplicationError of type Aborted where that is the end."""
        self._publish()
        try:
            while self.state not in self.flow.terminal:
                await self._turn()
        except asyncio.CancelledError:
            self._enter_aborted("the workflow was cancelled")
        return await surely(self._close())

    async def _turn(self) -> None:
        self.recovering = False
        came = await self._unless_ordered(self._attempt())
        if isinstance(came, Outcome):
            await self._pause_before_again(came)
            self._advance(came)
        elif isinstance(came, Failure):
            await self._suffer(came)
        else:
            self._doubt_submission()
        await self._obey()

    async def _attempt(self) -> Outcome | Failure:
        step = self.flow.rows[self.state]
        task = Task(sector=self.sector, settings=self.settings, state=self.state)
        try:
            outcome = await run_step(step.activity, step.where, task)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return failure_of(error) or Failure(level=Level.Permanent, text=bounded(str(error.cause or error)))
        if type(outcome.event) not in step.edges:
            name = type(outcome.event).__name__
            return Failure(level=Level.Permanent, text=f"{step.activity} ended in {name}, which {self.state} has not")
        return outcome

    async def _unless_ordered(self, work: Coroutine[Any, Any, Outcome | Failure | None]) -> Outcome | Failure | None:
        """Wait for the work's end, a command, or the manager's word; what is not at its end then is let go of."""
        task = asyncio.create_task(work)
        try:
            await workflow.wait_condition(lambda: task.done() or bool(self._commands) or self._ended_outside())
        finally:
            if not task.done():
                task.cancel()
        if not task.done():
            await workflow.wait([task])
        # The end may have come in the very moment of letting go: then it counts.
        return None if _let_go(task) else task.result()

    async def _pause_before_again(self, outcome: Outcome) -> None:
        """Wait before what failed on chain is sent again: nothing else would hold a loop of it."""
        if type(outcome.event) is self.flow.rows[self.state].again:
            interval = self.settings.rpc_polling_interval
            await self._unless_ordered(_sleep(interval, f"{self.state}: before it is sent again"))

    def _doubt_submission(self) -> None:
        """Note that something may have been sent, where a step that sends was let go of."""
        field = self.flow.rows[self.state].sends
        if field is not None and getattr(self.sector, field) is None:
            doubt = Submission(digest=UNKNOWN, round=self.sector.round)
            self.sector = self.sector.model_copy(update={field: doubt})

    def _advance(self, outcome: Outcome) -> None:
        event = outcome.event
        self._stay(outcome)
        previous = self.state
        self.sector = self.sector.after(self.flow, previous, event)
        self._enter(self.flow.rows[previous].edges[type(event)], type(event).__name__)

    def _enter(self, state: State, event: str) -> None:
        self._came = (self.state, event)
        self.state = state
        self.failure = None
        self._tries = 1
        self._since = workflow.now()
        self._publish()

    def _stay(self, outcome: Outcome | None = None) -> None:
        self._stays.append(
            Stay(
                state=self.state,
                seconds=(workflow.now() - self._since).total_seconds(),
                wait_seconds=outcome.wait_seconds if outcome else 0.0,
                run_seconds=outcome.run_seconds if outcome else 0.0,
                tries=self._tries,
            )
        )

    # What a step's failure comes to

    async def _suffer(self, failure: Failure) -> None:
        self.failure = failure
        if failure.level is Level.Abort:
            self._enter_aborted(failure.text)
        elif failure.level is Level.Temporary and self._tries <= self.settings.max_retries:
            await self._recover()
        else:
            self._park(failure)

    async def _recover(self) -> None:
        self._tries += 1
        self.recovering = True
        self._show()
        summary = f"{self.state}: try {self._tries} of {self.settings.max_retries + 1}"
        await self._unless_ordered(_sleep(self.settings.recover_interval, summary))

    def _park(self, failure: Failure) -> None:
        if failure.level is Level.Temporary:
            failure = Failure(level=Level.Permanent, text=f"{failure.text} (tried {self._tries} times)")
        self.failure = failure
        self.halted = True
        self._publish()

    # Commands

    async def _obey(self) -> None:
        """Carry out what was ordered. A sector that stands still waits here, at no cost, for what sets it going."""
        while True:
            if self.state in self.flow.terminal:
                return
            if self._ended_outside():
                verdict = self._reporter.ended
                self._enter_aborted((verdict.reason if verdict else "") or "ended from the manager's side")
                return
            if self._commands:
                self._carry_out(self._commands.popleft())
            elif self.halted:
                await workflow.wait_condition(lambda: bool(self._commands) or self._ended_outside())
            else:
                return

    def _carry_out(self, command: Command) -> None:
        try:
            self._check(command)
        except Refused as refusal:
            self.refuse(command.words, str(refusal))
            return
        match command.kind:
            case Kind.abort:
                self._enter_aborted(command.reason or "aborted by an operator")
            case Kind.pause:
                self.halted = True
                self._publish()
            case Kind.resume:
                self._resume(command.state)
        self.answer = Answer(command=command.words)
        workflow.logger.info("%s carried out", command.words)

    def _resume(self, state: State | None) -> None:
        self.halted = False
        if state is not None:
            self._stay()
            self.sector = self.sector.back_at(self.flow, state)
        self._enter(state or self.state, "Resume")

    def _check(self, command: Command) -> None:
        """Raise Refused for a command that the sector cannot obey as it stands now."""
        if self.state in self.flow.terminal:
            raise Refused(f"the task has ended: {self.state}")
        if command.kind is Kind.pause and self.halted:
            raise Refused(f"the sector already stands still in {self.state}")
        if command.kind is Kind.resume:
            if not self.halted and not self.recovering:
                raise Refused(f"the sector is running in {self.state}: there is nothing to resume")
            if command.state is not None:
                self._check_resumable(command.state, force=command.force)

    def _check_resumable(self, state: State, *, force: bool) -> None:
        allowed = ", ".join([*self.resumable(), "Abort"])
        if state not in self.flow.rows or state is self.flow.start:
            raise Refused(f"{self.flow.name} cannot be resumed to {state}; it can to {allowed}")
        if missing := self.sector.lacks(self.flow, state):
            raise Refused(f"{state} needs {', '.join(missing)}, which the sector has not; it can go to {allowed}")
        if self.flow.order[state] > self.flow.order[self.state]:
            raise Refused(f"{state} lies ahead of {self.state}; it can go to {allowed}")
        if "ticket" in self.flow.cleared_at(state) and self.sector.precommit_sent is not None and not force:
            raise Refused(
                f"a pre-commit was sent: a new ticket from {state} on would wipe the only replica that matches it. "
                f'If it is surely not on chain: {{"state": "{state}", "force": true}}'
            )

    def resumable(self) -> list[State]:
        """Return the states that a resume may go to now, in the order of the flow."""
        rows = (state for state in self.flow.rows if state is not self.flow.start)
        here = self.flow.order[self.state]
        return [state for state in rows if self.flow.order[state] <= here and not self.sector.lacks(self.flow, state)]

    def _ended_outside(self) -> bool:
        return self._reporter.ended is not None

    # The end

    def _enter_aborted(self, reason: str) -> None:
        self._stay()
        self._abort_reason = reason
        self._came = (self.state, "Abort")
        self.state = State.Aborted
        self.halted = False
        self._since = workflow.now()
        self._show()

    async def _close(self) -> Summary:
        await self._reporter.settle()
        ending = Ending(report=self._report(), abort_reason=self._abort_reason, tell=not self._ended_outside())
        await close(Task(sector=self.sector, settings=self.settings, state=self.state), ending)
        if self.state is State.Aborted:
            why = f"{self._came[0]}: {self._abort_reason}"
            raise ApplicationError(why, type=State.Aborted.value, non_retryable=True)
        return Summary(
            sector=str(self.sector.id),
            state=self.state,
            stays=tuple(self._stays),
            proof=self.sector.proof,
            comm_r=self.sector.comm_r,
        )

    # What is seen from outside

    def _publish(self) -> None:
        """Show the state, and report it to the manager."""
        self._show()
        if self.state in self.flow.terminal:
            return
        if self.halted:
            self._reporter.watch(self._report())
        else:
            self._reporter.say(self._report())

    def _report(self) -> Report:
        previous, event = self._came
        return Report(
            sector=self.sector.id,
            home=self.sector.home,
            previous=previous,
            next=self.state,
            event=event,
            failure=self.failure,
        )

    def _show(self) -> None:
        workflow.set_current_details(render(self.status()))
        level = self.failure.level.value if self.failure else ""
        shown: dict[str, object] = {"state": self.state.value, "level": level, "parked": self.halted}
        if shown == self._shown:
            return
        self._shown = shown
        workflow.upsert_search_attributes(
            [
                attributes.SEAL_STATE.value_set(self.state.value),
                attributes.FAILURE_LEVEL.value_set(level) if level else attributes.FAILURE_LEVEL.value_unset(),
                attributes.PARKED.value_set(self.halted),
            ]
        )


async def _sleep(interval: timedelta, summary: str) -> None:
    await workflow.sleep(interval, summary=summary)


def _let_go(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task ended because it was let go of."""
    if task.cancelled():
        return True
    error = task.exception()
    return error is not None and is_cancelled_exception(error)
