"""The workflow that feeds a location with sectors, one after the other, for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from sealing.failures import bounded
from sealing.flow.registry import FLOWS
from sealing.sector import Allocation, SectorInput, ThreadInput
from workflows import attributes
from workflows.calls import on_machine

T = TypeVar("T")

AFTER_FAILURE = timedelta(minutes=1)
ALLOCATE = "allocate"
AWAIT_SECTOR = "await_sector"


@workflow.defn(name="SealingThread")
class SealingThread:
    """One sealing thread: asks for a task, starts the sector's workflow, waits for its end, rests, and begins anew."""

    @workflow.init
    def __init__(self, thread: ThreadInput) -> None:
        """Know the thread before any signal comes."""
        self._thread = thread
        self._sector: str | None = None

    @workflow.run
    async def run(self, thread: ThreadInput) -> None:
        """Run one task and continue as new. Nothing that goes wrong ends a thread: it looks again after a while."""
        try:
            rest = await self._one_task()
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            rest = AFTER_FAILURE
            self._show(f"has failed and looks again soon: {bounded(str(error.cause or error), 300)}")
        await workflow.sleep(rest, summary="seal_interval")
        workflow.continue_as_new(thread)

    async def _one_task(self) -> timedelta:
        self._show("asks for a task")
        allocation = await self._on_machine(ALLOCATE, self._thread, Allocation)
        await self._seal(allocation.task)
        self._show("rests")
        return allocation.seal_interval

    @workflow.query(description="The workflow id of the sector that the thread is at, if any.")
    def sector(self) -> str | None:
        """Return the id of the sector's workflow."""
        return self._sector

    async def _seal(self, task: SectorInput) -> None:
        """Start the sector's workflow and wait for its end, whatever that is."""
        self._sector = task.workflow_id
        self._show(f"seals `{self._sector}`")
        try:
            child = await workflow.start_child_workflow(
                FLOWS[task.flow, task.flow_version].workflow,
                task,
                id=self._sector,
                # The sector outlives its thread; an id that has finished is never used again.
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                search_attributes=_first_attributes(task),
                static_summary=f"{task.sector.id} on {task.sector.home.worker}",
            )
        except WorkflowAlreadyStartedError:
            await self._on_machine(AWAIT_SECTOR, self._sector, str)
            return
        try:
            await child
        except ChildWorkflowError as error:
            if is_cancelled_exception(error):
                raise  # it is the thread that was cancelled: a sector's task ends in other ways
            workflow.logger.warning("%s ended: %s", self._sector, error.cause)

    async def _on_machine(self, activity: str, argument: object, result_type: type[T]) -> T:
        return await on_machine(
            activity,
            argument,
            result_type,
            queue=self._thread.worker,
            heartbeat=self._thread.heartbeat_timeout,
            summary=f"{activity} for {self._thread.location}",
        )

    def _show(self, doing: str) -> None:
        thread = self._thread
        workflow.set_current_details(f"Thread {thread.index} of **{thread.worker}**, {thread.location}: {doing}")


def _first_attributes(task: SectorInput) -> TypedSearchAttributes:
    sector = task.sector
    return TypedSearchAttributes(
        [
            SearchAttributePair(attributes.SECTOR_ID, str(sector.id)),
            SearchAttributePair(attributes.MINER_ID, f"t0{sector.id.miner}"),
            SearchAttributePair(attributes.SEAL_WORKER, sector.home.worker),
            SearchAttributePair(attributes.SEAL_STATE, task.state.value),
            SearchAttributePair(attributes.PARKED, value=False),
        ]
    )
