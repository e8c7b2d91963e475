"""What the sector workflows share: signals and queries, in front of the machine that runs the flow."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import RawValue

from sealing.sector import SectorInput, Summary
from workflows.commands import Answer, Kind, Refused, read
from workflows.machine import Machine
from workflows.status import Status


class SectorWorkflow:
    """A task's workflow. Subclasses give it its type's name and its flow."""

    def __init__(self, task: SectorInput) -> None:
        """Build the machine before any signal comes."""
        self._machine = Machine(task)

    async def _drive(self) -> Summary:
        try:
            return await self._machine.run()
        finally:
            await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.signal(description="Run again. Argument: nothing, or the name of the state to go to first.")
    def resume(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Set a sector going that stands still.

        The annotation must be RawValue and nothing else: only so does every payload arrive, whoever sent it.
        """
        self._take(Kind.resume, argument)

    @workflow.signal(description="Stand still at once; a computation is only let go of. Argument: nothing or a reason.")
    def pause(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Make a running sector stand still."""
        self._take(Kind.pause, argument)

    @workflow.signal(description="End the task and remove its files. Argument: nothing, or a reason.")
    def abort(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """End the task, whatever it is at."""
        self._take(Kind.abort, argument)

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
            self._machine.refuse(kind.value, str(refusal))
