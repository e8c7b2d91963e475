"""The one loop that runs every flow. What it runs is the table's; what it obeys are the operator's commands.

While the state is not terminal: publish, run the state's step, and go where its event leads. A command ends whatever
is waited for; a computation is only let go of, so that its result is there when the sector is resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from sealing.failures import Failure, Level, bounded
from sealing.flow.registry import FLOWS
from sealing.flow.state import State
from sealing.flow.table import Place, Step
from sealing.sector import Ending, Memory, Outcome, Report, SectorInput, Stay, Summary, Task
from sealing.values import UNKNOWN, Submission
from workflows import attributes
from workflows.calls import failure_of, look_for_replica, precommit_on_chain, run_step, stop_jobs
from workflows.commands import Answer, Command, Kind, NoSuchState, Refused
from workflows.details import render
from workflows.ending import close, surely
from workflows.orders import Order, Orders, Standing
from workflows.reporter import Reporter
from workflows.status import Status

KEPT_STAYS = 200
"""Stays that are kept: a sector that goes round and round must not grow without end."""
STAY_TEXT = 300
"""Characters of a failure that a stay keeps."""


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
        self._outage: str | None = None
        self._tries = 1
        self._next_try: datetime | None = None
        self._since = workflow.now()
        self._stays: list[Stay] = []
        self._came: tuple[State, str] = (self.flow.start, "")
        self._orders: Orders = Orders()
        self._reporter = Reporter()
        self._shown: dict[str, object] = {}
        self._abort = Command(kind=Kind.abort)
        self._attempts = 0
        info = workflow.info()
        self._is_reset = info.run_id != info.original_execution_run_id
        self._input = task
        if task.memory is not None:
            self._remember(task.memory)

    # What others ask and order

    def order(self, command: Command) -> Order:
        """Take a command; it is carried out as soon as the loop comes to it. Raises Refused."""
        self.check(command)
        order = Order(command)
        self._orders.append(order)
        return order

    def check(self, command: Command) -> None:
        """Raise Refused for what would be refused, unless commands before it may still change that."""
        if not self._orders:
            self._standing().check(command)

    def explain(self, refusal: Refused) -> str:
        """Return why a command was refused; of a state that nobody knows, also which would be accepted now."""
        if not isinstance(refusal, NoSuchState):
            return str(refusal)
        return f"{refusal}; possible now: {', '.join([*self._standing().resumable(), 'Abort'])}"

    def refuse(self, command: str, why: str) -> Answer:
        """Leave the sector as it is and show why a command was refused."""
        self.answer = Answer(command=command, state=self.state, refused=why)
        workflow.logger.warning("%s refused: %s", command, why)
        self._show()
        return self.answer

    def status(self) -> Status:
        """Return all that an operator sees."""
        return Status(
            flow=self.flow.name,
            state=self.state,
            halted=self.halted,
            recovering=self.recovering,
            since=self._since,
            tries=self._tries,
            max_tries=self.settings.max_retries + 1,
            next_try=self._next_try if self.recovering else None,
            failure=self.failure,
            outage=self._outage,
            sector=self.sector,
            last_command=self.answer,
            resumable=self._standing().resumable(),
            stays=tuple(self._stays),
        )

    # The loop

    async def run(self) -> Summary:
        """Run to the end. Raises ApplicationError of type Aborted where that is the end."""
        self._publish()
        try:
            while self.state not in self.flow.terminal:
                await self._renew_if_long()
                if not self.halted:
                    await self._turn()
                await self._obey()
        except asyncio.CancelledError:
            self._enter_aborted(Command(kind=Kind.abort, reason="the workflow was cancelled"))
        return await surely(self._close())

    async def _turn(self) -> None:
        self.recovering = False
        came = await self._unless_ordered(self._attempt())
        self._told_of_outage(None)
        if isinstance(came, Outcome):
            await self._pause_before_again(came)
            self._advance(came)
        elif isinstance(came, Failure):
            await self._suffer(came)
        else:
            self._doubt_submission()

    async def _attempt(self) -> Outcome | Failure:
        step = self.flow.rows[self.state]
        self._attempts += 1
        try:
            if step.where is Place.Manager:
                await self._reporter.quiet()
            if self._must_look_first(step):
                await look_for_replica(self._task())
            outcome = await run_step(step.activity, step.where, self._task(), self._told_of_outage)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return failure_of(error) or Failure(level=Level.Permanent, text=bounded(str(error.cause or error)))
        if type(outcome.event) not in step.edges:
            name = type(outcome.event).__name__
            return Failure(level=Level.Permanent, text=f"{step.activity} ended in {name}, which {self.state} has not")
        return outcome

    def _must_look_first(self, step: Step) -> bool:
        """Tell whether to look for the replica before its commitment is sent: after a reset nobody knows.

        What the reset has replayed is not looked at again: the patch, one for each attempt, tells the two apart.
        """
        sends_replica = step.sends is not None and "comm_r" in step.needs
        return sends_replica and self._is_reset and workflow.patched(f"look-first-{self._attempts}")

    async def _unless_ordered(self, work: Coroutine[Any, Any, Outcome | Failure | None]) -> Outcome | Failure | None:
        """Wait for the work's end, a command, or the manager's word; what is not at its end then is let go of."""
        task = asyncio.create_task(work)
        try:
            await workflow.wait_condition(lambda: task.done() or bool(self._orders) or self._ended_outside())
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
        name = type(event).__name__
        self._stay(name, outcome)
        previous = self.state
        self.sector = self.sector.after(self.flow, previous, event)
        self._enter(self.flow.rows[previous].edges[type(event)], name)

    def _enter(self, state: State, event: str) -> None:
        self._came = (self.state, event)
        self.state = state
        self._since = workflow.now()
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Stand in a state as if it had just been entered: no failure, all tries ahead."""
        self.failure = None
        self._tries = 1
        self._publish()

    def _stay(self, left_by: str, outcome: Outcome | None = None) -> None:
        stay = Stay(
            state=self.state,
            entered=self._since,
            seconds=(workflow.now() - self._since).total_seconds(),
            wait_seconds=outcome.wait_seconds if outcome else 0.0,
            run_seconds=outcome.run_seconds if outcome else 0.0,
            tries=self._tries,
            left_by=left_by,
            failure=bounded(self.failure.text, STAY_TEXT) if self.failure else "",
        )
        self._stays = [*self._stays, stay][-KEPT_STAYS:]

    # What a step's failure comes to

    async def _suffer(self, failure: Failure) -> None:
        self.failure = failure
        if failure.level is Level.Abort:
            self._enter_aborted(Command(kind=Kind.abort, reason=failure.text))
        elif failure.level is Level.Temporary and self._tries <= self.settings.max_retries:
            await self._recover()
        else:
            self._park(failure)

    async def _recover(self) -> None:
        self._tries += 1
        self.recovering = True
        self._next_try = workflow.now() + self.settings.recover_interval
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
        while self.state not in self.flow.terminal:
            if self._ended_outside():
                verdict = self._reporter.ended
                reason = (verdict.reason if verdict else "") or "ended from the manager's side"
                self._enter_aborted(Command(kind=Kind.abort, reason=reason))
            elif self._orders:
                await self._carry_out(self._orders.popleft())
            elif self.halted and not _is_long():
                await workflow.wait_condition(lambda: bool(self._orders) or self._ended_outside() or _is_long())
            else:
                return

    async def _carry_out(self, order: Order) -> None:
        words = order.command.words
        try:
            self._standing().check(order.command)
            await self._do(order.command)
            self.answer = order.answer = Answer(command=words, state=self.state)
            workflow.logger.info("%s carried out", words)
        except Refused as refusal:
            order.answer = self.refuse(words, str(refusal))
        finally:
            # Whoever waits for an answer gets one, also where the task was cancelled in the middle.
            order.answer = order.answer or Answer(command=words, state=self.state, refused="the task was cancelled")
        self._show()

    async def _do(self, command: Command) -> None:
        match command.kind:
            case Kind.abort:
                self._enter_aborted(command)
            case Kind.pause:
                self.halted = True
                self.recovering = False
                self._publish()
                if command.now:
                    await self._stop_jobs()
            case Kind.resume:
                await self._resume(command)

    async def _resume(self, command: Command) -> None:
        if command.state is not None:
            if self._standing().draws_again(command.state):
                await self._ask_chain(command.state)
            self._stay(command.words)
            self.sector = self.sector.back_at(self.flow, command.state)
            self.halted = self.recovering = False
            self._enter(command.state, "Resume")
        else:
            self.halted = self.recovering = False
            self._came = (self.state, "Resume")
            self._begin_anew()

    async def _ask_chain(self, state: State) -> None:
        """Raise Refused unless the manager says that no pre-commit of this sector is on chain or on its way."""
        await self._reporter.quiet()
        try:
            found = await precommit_on_chain(self._task())
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            raise Refused(f"the manager does not say whether the pre-commit is on chain: {error}; try later") from error
        if found:
            raise Refused(f"a pre-commit is on chain or on its way ({found}): {state} would draw another ticket")

    async def _stop_jobs(self) -> None:
        try:
            await self._unless_ordered(stop_jobs(self._task()))
        except FailureError as error:
            raise Refused(f"it stands still, and its job could not be stopped: {error.cause or error}") from error

    def _standing(self) -> Standing:
        return Standing(self.flow, self.sector, self.state, halted=self.halted, recovering=self.recovering)

    def _ended_outside(self) -> bool:
        return self._reporter.ended is not None

    # A history that has become long

    async def _renew_if_long(self) -> None:
        """Continue as new where the server suggests it, and nothing is under way that would be lost."""
        if not _is_long():
            return
        await self._reporter.settle()
        await workflow.wait_condition(lambda: bool(self._orders) or workflow.all_handlers_finished())
        if self._orders or self._ended_outside():
            return
        memory = Memory(
            stays=tuple(self._stays),
            previous=self._came[0],
            event=self._came[1],
            since=self._since,
            halted=self.halted,
            failure=self.failure,
        )
        workflow.continue_as_new(
            self._input.model_copy(update={"state": self.state, "sector": self.sector, "memory": memory})
        )

    def _remember(self, memory: Memory) -> None:
        self._stays = list(memory.stays)
        self._came = (memory.previous, memory.event)
        self._since = memory.since
        self.halted = memory.halted
        self.failure = memory.failure if memory.halted else None

    # The end

    def _enter_aborted(self, command: Command) -> None:
        self._abort = command.model_copy(update={"reason": command.reason or "aborted by an operator"})
        self._stay("Abort")
        self._came = (self.state, "Abort")
        self.state = State.Aborted
        self.halted = self.recovering = False
        self._since = workflow.now()
        self._show()

    async def _close(self) -> Summary:
        # None may stay behind: what comes after it would not be refused any more, and wait for its answer for ever.
        while self._orders:
            order = self._orders.popleft()
            order.answer = Answer(command=order.command.words, state=self.state, refused="the task has ended")
        await self._reporter.settle()
        ending = Ending(report=self._report(), abort_reason=self._abort.reason, tell=not self._ended_outside())
        await close(self._task(), ending, leave_files=self._abort.force)
        if self.state is State.Aborted:
            why = f"{self._came[0]}: {self._abort.reason}"
            raise ApplicationError(why, type=State.Aborted.value, non_retryable=True)
        return Summary(
            sector=str(self.sector.id),
            state=self.state,
            stays=tuple(self._stays),
            proof=self.sector.proof,
            comm_r=self.sector.comm_r,
        )

    # What is seen from outside

    def _task(self) -> Task:
        return Task(sector=self.sector, settings=self.settings, state=self.state, reset=self._is_reset)

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

    def _told_of_outage(self, why: str | None) -> None:
        if why != self._outage:
            self._outage = why
            self._show()

    def _show(self) -> None:
        workflow.set_current_details(render(self.status()))
        level = self.failure.level.value if self.failure else ""
        shown: dict[str, object] = {"state": self.state.value, "level": level, "parked": self.halted}
        if shown != self._shown:
            self._shown = shown
            attributes.show(self.state, level, parked=self.halted)


def _is_long() -> bool:
    return workflow.info().is_continue_as_new_suggested()


async def _sleep(interval: timedelta, summary: str) -> None:
    await workflow.sleep(interval, summary=summary)


def _let_go(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task ended because it was let go of."""
    if task.cancelled():
        return True
    error = task.exception()
    return error is not None and is_cancelled_exception(error)
