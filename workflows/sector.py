"""What the sector workflows share: signals, the update and queries, in front of the machine that runs the flow."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import FailureError

from sealing.failures import bounded
from sealing.sector import SectorInput, Summary
from workflows.commands import CONTROL, Answer, Kind, Refused, one_argument, read, read_control, refused_update
from workflows.machine import Machine
from workflows.status import Status


class SectorWorkflow:
    """A task's workflow. Subclasses give it its type's name and its flow."""

    def __init__(self, task: SectorInput) -> None:
        """Build the machine before any signal comes."""
        self._machine = Machine(task)

    async def _drive(self) -> Summary:
        # Not by finally, which would also run, outside of any workflow, where the instance is thrown away.
        try:
            summary = await self._machine.run()
        except FailureError:
            await workflow.wait_condition(workflow.all_handlers_finished)
            raise
        await workflow.wait_condition(workflow.all_handlers_finished)
        return summary

    @workflow.signal(description='Run again. Argument: nothing, or the state to go to first: "TreeDBuilt", "Abort".')
    @one_argument
    def resume(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Set a sector going that stands still.

        The annotation must be RawValue and nothing else: only so does every payload arrive, whoever sent it.
        """
        self._take(Kind.resume, argument)

    @workflow.signal(description='Stand still at once; the computation runs on, or ends with {"now": true}.')
    @one_argument
    def pause(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Make a running sector stand still."""
        self._take(Kind.pause, argument)

    @workflow.signal(description="End the task and remove its files. Argument: nothing, or a reason.")
    @one_argument
    def abort(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """End the task, whatever it is at."""
        self._take(Kind.abort, argument)

    @workflow.signal(dynamic=True)
    def other(self, name: str, _: Sequence[RawValue]) -> None:
        """Refuse a signal of any other name, where the sender can see it."""
        known = ", ".join(Kind)
        self._machine.refuse(bounded(name, 100), f"there is no signal {bounded(name, 100)!r}; there are {known}")

    @workflow.update(description=CONTROL)
    async def control(self, argument: RawValue = None) -> Answer:  # type: ignore[assignment]
        """Carry out a command and return what became of it. A refusal fails the update, with the reason."""
        try:
            order = self._machine.order(read_control(argument))
        except Refused as refusal:
            raise refused_update(self._machine.explain(refusal)) from refusal
        await workflow.wait_condition(lambda: order.answer is not None)
        if order.answer is None or order.answer.refused is not None:
            raise refused_update((order.answer and order.answer.refused) or "")
        return order.answer

    @control.validator
    def _check_control(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Refuse what can be refused at once, which leaves no history."""
        try:
            self._machine.check(read_control(argument))
        except Refused as refusal:
            raise refused_update(self._machine.explain(refusal)) from None

    @workflow.query(description="Where the task stands, all that is known of it.")
    def status(self) -> Status:
        """Return the task's status."""
        return self._machine.status()

    @workflow.query(description="What became of the last command.")
    def last_command(self) -> Answer | None:
        """Return the last command and why it was refused, if it was."""
        return self._machine.answer

    def _take(self, kind: Kind, argument: RawValue | None) -> None:
        try:
            self._machine.order(read(kind, argument))
        except Refused as refusal:
            self._machine.refuse(kind.value, self._machine.explain(refusal))
