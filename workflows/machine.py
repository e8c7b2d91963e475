"""The one loop that runs every flow. What it runs is the table's; what it obeys are the operator's commands.

While the state is not terminal: publish, run the state's step, and go where its event leads. A command ends whatever
is waited for; a computation is only let go of, so that its result is there when the sector is resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from sealing.failures import TICKET_EXPIRED, Failure, Level, bounded
from sealing.flow.state import State
from sealing.flow.table import Place
from sealing.sector import Ending, Outcome, SectorInput, Summary
from workflows import attributes
from workflows.calls import failure_of, precommit_on_chain, run_step, stop_jobs
from workflows.commands import Answer, Command, Kind, NoSuchState, Refused
from workflows.course import Course
from workflows.details import render
from workflows.ending import close, surely
from workflows.measures import Measures
from workflows.orders import Order, Orders
from workflows.reporter import Reporter
from workflows.status import Status

FAILED_MAY_HAVE_ARRIVED = "a-failed-submission-may-have-arrived"
"""Before, only what was let go of might have been sent: so in the histories of that time."""


class Machine:
    """Drives one task along its course."""

    def __init__(self, task: SectorInput) -> None:
        """Stand at the task's state, before any step."""
        info = workflow.info()
        self._course = Course(task, workflow.now(), is_reset=info.run_id != info.original_execution_run_id)
        self._orders: Orders = Orders()
        self._reporter = Reporter()
        self._measures = Measures(self._course.flow)
        self._shown: dict[str, object] = {}
        self._abort = Command(kind=Kind.abort)

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
            self._course.standing().check(command)

    def explain(self, refusal: Refused) -> str:
        """Return why a command was refused; of a state that nobody knows, also which would be accepted now."""
        if not isinstance(refusal, NoSuchState):
            return str(refusal)
        return f"{refusal}; possible now: {', '.join([*self._course.standing().resumable(), 'Abort'])}"

    def refuse(self, command: str, why: str) -> Answer:
        """Leave the sector as it is and show why a command was refused."""
        answer = Answer(command=command, state=self._course.state, refused=why)
        self._course.answer = answer
        workflow.logger.warning("%s refused: %s", command, why)
        self._show()
        return answer

    def status(self) -> Status:
        """Return all that an operator sees."""
        return self._course.status()

    @property
    def answer(self) -> Answer | None:
        """What became of the last command."""
        return self._course.answer

    # The loop

    async def run(self) -> Summary:
        """Run to the end. Raises ApplicationError of type Aborted where that is the end."""
        if self._course.is_new:
            self._measures.begun()
        self._publish()
        try:
            while not self._course.has_ended:
                await self._renew_if_long()
                if not self._course.halted:
                    await self._turn()
                await self._obey()
        except asyncio.CancelledError:
            self._end(Command(kind=Kind.abort, reason="the workflow was cancelled"))
        return await surely(self._close())

    async def _turn(self) -> None:
        self._course.waited()
        came = await self._unless_ordered(self._attempt())
        self._told_of_outage(None)
        if isinstance(came, Outcome):
            await self._pause_before_again(came)
            self._course.advance(came, workflow.now())
            self._gone_on()
        elif isinstance(came, Failure):
            await self._suffer(came)
        else:
            self._course.doubt_submission()

    async def _attempt(self) -> Outcome | Failure:
        state, step = self._course.state, self._course.step
        try:
            if step.where is Place.Manager:
                await self._reporter.quiet()
            outcome = await run_step(step, self._course.task(), self._told_of_outage)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return failure_of(error) or Failure(level=Level.Permanent, text=bounded(str(error.cause or error)))
        if type(outcome.event) not in step.edges:
            name = type(outcome.event).__name__
            return Failure(level=Level.Permanent, text=f"{step.activity} ended in {name}, which {state} has not")
        return outcome

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
        """Wait before what failed on chain is sent again: nothing else holds that loop, and each try costs gas."""
        course = self._course
        if type(outcome.event) is course.step.again:
            interval = course.settings.resubmit_interval
            course.next_try = workflow.now() + interval
            self._show()
            await self._unless_ordered(_sleep(interval, f"{course.state}: before it is sent again"))

    # What a step's failure comes to

    async def _suffer(self, failure: Failure) -> None:
        course = self._course
        course.fail(failure)
        if course.step.sends and not _arrived_nowhere(failure) and workflow.patched(FAILED_MAY_HAVE_ARRIVED):
            course.doubt_submission()
        self._measures.failed(course.step.activity, failure.level)
        if failure.level is Level.Abort:
            self._end(Command(kind=Kind.abort, reason=failure.text))
        elif failure.level is Level.Temporary and course.tries <= course.settings.max_retries:
            await self._recover()
        else:
            self._park(failure)

    async def _recover(self) -> None:
        course, interval = self._course, self._course.settings.recover_interval
        course.tries += 1
        course.recovering = True
        self._measures.tried_again(course.step.activity)
        course.next_try = workflow.now() + interval
        self._show()
        summary = f"{course.state}: try {course.tries} of {course.settings.max_retries + 1}"
        await self._unless_ordered(_sleep(interval, summary))

    def _park(self, failure: Failure) -> None:
        if failure.level is Level.Temporary:
            text = f"{failure.text} (tried {self._course.tries} times)"
            failure = failure.model_copy(update={"level": Level.Permanent, "text": text})
        self._course.failure = failure
        self._course.halted = True
        self._publish()

    # Commands

    async def _obey(self) -> None:
        """Carry out what was ordered. A sector that stands still waits here, at no cost, for what sets it going."""
        while not self._course.has_ended:
            if self._ended_outside():
                verdict = self._reporter.ended
                reason = (verdict.reason if verdict else "") or "ended from the manager's side"
                self._end(Command(kind=Kind.abort, reason=reason))
            elif self._orders:
                await self._carry_out(self._orders.popleft())
            elif self._course.halted and not _is_long():
                await workflow.wait_condition(lambda: bool(self._orders) or self._ended_outside() or _is_long())
            else:
                return

    async def _carry_out(self, order: Order) -> None:
        words = order.command.words
        try:
            self._course.standing().check(order.command)
            await self._do(order.command)
            self._course.answer = order.answer = Answer(command=words, state=self._course.state)
            workflow.logger.info("%s carried out", words)
        except Refused as refusal:
            order.answer = self.refuse(words, str(refusal))
        finally:
            # Whoever waits for an answer gets one, also where the task was cancelled in the middle.
            order.answer = order.answer or self._too_late(order)
        self._show()

    async def _do(self, command: Command) -> None:
        course = self._course
        match command.kind:
            case Kind.abort:
                self._end(command)
            case Kind.pause:
                course.halted = True
                course.waited()
                self._publish()
                if command.now:
                    await self._stop_jobs()
            case Kind.resume if command.state is None:
                course.go_on()
                self._publish()
            case Kind.resume:
                if course.standing().draws_again(command.state):
                    await self._ask_chain(command.state)
                course.go_back(command.state, command.words, workflow.now())
                self._gone_on()

    async def _ask_chain(self, state: State) -> None:
        """Raise Refused unless the manager says that no pre-commit of this sector is on chain or on its way."""
        await self._reporter.quiet()
        try:
            found = await precommit_on_chain(self._course.task())
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            raise Refused(f"the manager does not say whether the pre-commit is on chain: {error}; try later") from error
        if found:
            raise Refused(f"a pre-commit is on chain or on its way ({found}): {state} would draw another ticket")

    async def _stop_jobs(self) -> None:
        try:
            await self._unless_ordered(stop_jobs(self._course.task()))
        except FailureError as error:
            raise Refused(f"it stands still, and its job could not be stopped: {error.cause or error}") from error

    def _ended_outside(self) -> bool:
        return self._reporter.ended is not None

    def _too_late(self, order: Order) -> Answer:
        return Answer(command=order.command.words, state=self._course.state, refused="the task has ended")

    # A history that has become long

    async def _renew_if_long(self) -> None:
        """Continue as new where the server suggests it, and nothing is under way that would be lost."""
        if not _is_long():
            return
        await self._reporter.settle()
        await workflow.wait_condition(lambda: bool(self._orders) or workflow.all_handlers_finished())
        if not self._orders and not self._ended_outside():
            workflow.continue_as_new(self._course.continued())

    # The end

    def _end(self, command: Command) -> None:
        self._abort = command.model_copy(update={"reason": command.reason or "aborted by an operator"})
        self._course.abort(workflow.now())
        self._gone_on()

    async def _close(self) -> Summary:
        # None may stay behind: what comes after it would not be refused any more, and wait for its answer for ever.
        while self._orders:
            order = self._orders.popleft()
            order.answer = self._too_late(order)
        await self._reporter.settle()
        course = self._course
        ending = Ending(report=course.report(), abort_reason=self._abort.reason, tell=not self._ended_outside())
        await close(course.task(), ending, leave_files=self._abort.force)
        if course.state is State.Aborted:
            why = f"{course.came[0]}: {self._abort.reason}"
            raise ApplicationError(why, type=State.Aborted.value, non_retryable=True)
        return course.summary()

    # What is seen from outside

    def _gone_on(self) -> None:
        """Count a state that was left, and show and report the next."""
        self._measures.gone_on(self._course.stays[-1], self._course.came[1])
        self._publish()

    def _publish(self) -> None:
        """Show the state, and report it to the manager."""
        self._show()
        if self._course.has_ended:
            return
        if self._course.halted:
            self._reporter.watch(self._course.report())
        else:
            self._reporter.say(self._course.report())

    def _told_of_outage(self, why: str | None) -> None:
        if why != self._course.outage:
            self._course.outage = why
            self._show()

    def _show(self) -> None:
        course = self._course
        workflow.set_current_details(render(course.status()))
        level = course.failure.level.value if course.failure else ""
        shown: dict[str, object] = {"state": course.state.value, "level": level, "parked": course.halted}
        if shown != self._shown:
            self._shown = shown
            attributes.show(course.state, level, course.sector.round, course.ticket_ends, parked=course.halted)


def _arrived_nowhere(failure: Failure) -> bool:
    """Tell whether a submission failed of which the step looked that nothing of it is on chain."""
    return failure.text.startswith(TICKET_EXPIRED)


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
