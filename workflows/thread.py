"""The workflow that feeds a location with sectors, one after the other, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from sealing.failures import bounded
from sealing.flow.registry import flow_of
from sealing.sector import Allocation, ThreadInput, sector_of
from sealing.values import Frozen
from workflows import attributes
from workflows.calls import on_machine
from workflows.commands import CONTROL, Answer, Command, Kind, Refused, one_argument, read, read_control, refused_update

T = TypeVar("T")

AFTER_FAILURE = timedelta(minutes=1)
ALLOCATE = "allocate"
AWAIT_SECTOR = "await_sector"
GOES_ON = "goes-on-at-once"
"""The patch by which a thread goes on at once after a sector that was finished."""
ONCE = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
AGAIN = WorkflowIDReusePolicy.ALLOW_DUPLICATE


class ThreadStatus(Frozen):
    """What the query ``status`` of a thread answers."""

    worker: str
    location: str
    index: int
    sector: str | None
    """The id of its sector's workflow, while it has one."""
    doing: str
    since: datetime
    """When it began with that."""
    paused: bool
    """It asks for no sector until it is resumed."""
    drained: bool
    """Its machine takes no new sectors until it is undrained."""
    last_command: Answer | None
    note: str = ""
    """What there was to say about its configuration when it took its sector: a broken hot configuration."""


@workflow.defn(name="SealingThread")
class SealingThread:
    """One sealing thread: asks for a task, starts the sector's workflow, waits for its end, and begins anew.

    It rests before that where it has not itself seen the sector begin and finish: what ends each at once must not use
    up sector numbers.
    """

    @workflow.init
    def __init__(self, thread: ThreadInput) -> None:
        """Know the thread before any signal comes."""
        self._thread = thread
        self._paused = thread.paused
        self._drained = thread.drained
        self._sector: str | None = None
        self._is_starting = False
        self._doing = ""
        self._since = workflow.now()
        self._answer: Answer | None = None
        self._note = ""

    @workflow.run
    async def run(self, thread: ThreadInput) -> None:  # noqa: ARG002 - __init__ has taken it: both get the input
        """Run one task and continue as new. Nothing that goes wrong ends a thread: it looks again after a while."""
        try:
            rest = await self._one_task()
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            rest = AFTER_FAILURE
            self._show(f"has failed and looks again soon: {bounded(str(error.cause or error), 300)}")
        if rest:
            await workflow.sleep(rest, summary="seal_interval")
        await self._renew()

    async def _renew(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._as_ordered())

    @workflow.signal(description="Pause the thread's sector; a thread without one stops asking for it.")
    @one_argument
    async def pause(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Pause the sector or the thread."""
        await self._take(Kind.pause, argument)

    @workflow.signal(description="Resume the thread's sector, with its argument; a paused thread asks again.")
    @one_argument
    async def resume(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Resume the sector or the thread."""
        await self._take(Kind.resume, argument)

    @workflow.signal(description="Abort the thread's sector.")
    @one_argument
    async def abort(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        """Abort the sector."""
        await self._take(Kind.abort, argument)

    @workflow.signal(description="Finish the sector, and take no new one.")
    @one_argument
    def drain(self, _: RawValue = None) -> None:  # type: ignore[assignment]
        """Take no new sector."""
        self._drained = True
        self._answer = Answer(command="drain")

    @workflow.signal(description="Take sectors again.")
    @one_argument
    def undrain(self, _: RawValue = None) -> None:  # type: ignore[assignment]
        """Take sectors again."""
        self._drained = False
        self._answer = Answer(command="undrain")

    @workflow.signal(dynamic=True)
    def other(self, name: str, _: Sequence[RawValue]) -> None:
        """Refuse a signal of any other name, where the sender can see it."""
        self._refuse(bounded(name, 100), "a thread has no such signal; there are pause, resume, abort, drain, undrain")

    @workflow.update(description=CONTROL)
    async def control(self, argument: RawValue = None) -> Answer:  # type: ignore[assignment]
        """Carry out a command, or send it on to the sector. A refusal fails the update, with the reason."""
        try:
            self._answer = await self._obey(read_control(argument))
        except Refused as refusal:
            raise refused_update(str(refusal)) from None
        return self._answer

    @control.validator
    def _check_control(self, argument: RawValue = None) -> None:  # type: ignore[assignment]
        try:
            command = read_control(argument)
            if not self._is_starting:
                self._check(command)
        except Refused as refusal:
            raise refused_update(str(refusal)) from None

    @workflow.query(description="Where the thread stands.")
    def status(self) -> ThreadStatus:
        """Return the thread's status."""
        return ThreadStatus(
            worker=self._thread.worker,
            location=self._thread.location,
            index=self._thread.index,
            sector=self._sector,
            doing=self._doing,
            since=self._since,
            paused=self._paused,
            drained=self._drained,
            last_command=self._answer,
            note=self._note,
        )

    @workflow.query(description="What became of the last command.")
    def last_command(self) -> Answer | None:
        """Return the last command and why it was refused, if it was."""
        return self._answer

    # Its work

    async def _one_task(self) -> timedelta:
        allocation = await self._allocate()
        self._note = allocation.note
        is_finished = await self._seal(allocation)
        self._sector = None
        if is_finished and workflow.patched(GOES_ON):
            return timedelta()
        self._show("rests")
        return allocation.seal_interval

    async def _allocate(self) -> Allocation:
        """Ask for a task. An order that changes whether the thread may take a new one ends the question.

        It is asked also where none may be taken: a sector that the thread still has is taken up, or cleared away.
        """
        while True:
            thread = self._as_ordered()
            self._show(_asking(thread))
            asking = asyncio.create_task(self._on_machine(ALLOCATE, thread, Allocation))
            await workflow.wait_condition(
                lambda: asking.done() or self._as_ordered() != thread or _is_long()  # noqa: B023 - waited for here
            )
            if (allocation := await _result_or_let_go(asking)) is not None:
                return allocation
            if _is_long():
                await self._renew()

    def _as_ordered(self) -> ThreadInput:
        return self._thread.model_copy(update={"paused": self._paused, "drained": self._drained})

    async def _seal(self, allocation: Allocation) -> bool:
        """Start the sector's workflow and wait for its end, whatever that is; tell whether both went well."""
        task = allocation.task
        self._is_starting = True
        self._show(f"seals `{task.workflow_id}`")
        try:
            child = await workflow.start_child_workflow(
                flow_of(task.flow, task.flow_version).workflow,
                task,
                id=task.workflow_id,
                # The sector outlives its thread. An id that has finished is used again only by a later upgrade.
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
                id_reuse_policy=AGAIN if allocation.follows_finished else ONCE,
                search_attributes=attributes.first(task),
                static_summary=f"{task.sector.id} on {task.sector.home.worker}",
            )
        except WorkflowAlreadyStartedError:
            child = None
        finally:
            self._is_starting = False
        self._sector = task.workflow_id
        if child is None:
            # Of the same id may be an earlier task that is about to end: then what came has yet to begin.
            await self._on_machine(AWAIT_SECTOR, self._sector, str)
            return False
        return await self._until_ended(child)

    async def _until_ended(self, child: workflow.ChildWorkflowHandle[object, object]) -> bool:
        try:
            await child
        except ChildWorkflowError as error:
            if is_cancelled_exception(error):
                raise  # it is the thread that was cancelled: a sector's task ends in other ways
            workflow.logger.warning("%s ended: %s", self._sector, error.cause)
            return False
        return True

    async def _on_machine(self, activity: str, argument: object, result_type: type[T]) -> T:
        return await on_machine(
            activity,
            argument,
            result_type,
            queue=self._thread.worker,
            heartbeat=self._thread.heartbeat_timeout,
            summary=f"{activity} for {self._thread.location}",
        )

    # Commands

    async def _take(self, kind: Kind, argument: RawValue | None) -> None:
        try:
            self._answer = await self._obey(read(kind, argument))
        except Refused as refusal:
            self._refuse(kind.value, str(refusal))

    async def _obey(self, command: Command) -> Answer:
        """Send a command on to the sector; without one, carry out what a thread can. Raises Refused."""
        await workflow.wait_condition(lambda: not self._is_starting)
        self._check(command)
        if self._sector is not None:
            return await self._send_on(self._sector, command)
        self._paused = command.kind is Kind.pause
        return Answer(command=command.words)

    async def _send_on(self, sector: str, command: Command) -> Answer:
        try:
            await workflow.get_external_workflow_handle(sector).signal(command.kind.value, command.argument())
        except FailureError as error:
            raise Refused(f"{sector} takes no more commands: {error.cause or error}") from error
        return Answer(command=f"{command.words}, sent on to {sector}")

    def _check(self, command: Command) -> None:
        """Raise Refused for what is meant for another sector, and for what a thread without one cannot do."""
        command.check_meant(sector_of(self._sector) if self._sector else None)
        if self._sector is not None:
            return
        if command.kind is Kind.abort:
            raise Refused("the thread has no sector to abort")
        if command.state is not None:
            raise Refused(f"the thread has no sector that could go to {command.state}")
        if self._paused is (command.kind is Kind.pause):
            raise Refused(f"the thread {'is paused already' if self._paused else 'is not paused'}")

    def _refuse(self, words: str, why: str) -> None:
        self._answer = Answer(command=words, refused=why)
        workflow.logger.warning("%s refused: %s", words, why)

    def _show(self, doing: str) -> None:
        thread = self._thread
        if doing != self._doing:
            self._doing, self._since = doing, workflow.now()
        note = f"\n\n{self._note}" if self._note else ""
        workflow.set_current_details(f"Thread {thread.index} of **{thread.worker}**, {thread.location}: {doing}{note}")


def _is_long() -> bool:
    return workflow.info().is_continue_as_new_suggested()


def _asking(thread: ThreadInput) -> str:
    if thread.paused:
        return "paused, asks for no sector"
    return "drained, asks for no sector" if thread.drained else "asks for a sector"


async def _result_or_let_go(asking: asyncio.Task[T]) -> T | None:
    """Return the result; of what is let go of, None, unless it came in that very moment."""
    if not asking.done():
        asking.cancel()
        await workflow.wait([asking])
    if asking.cancelled():
        return None
    error = asking.exception()
    return None if error is not None and is_cancelled_exception(error) else asking.result()
