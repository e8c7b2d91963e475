"""What a new build may change of a workflow, and what it may not while tasks are under way."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import ClassVar

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from sealing.failures import Failure
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.sector import Outcome, SectorInput, Summary
from tests.workflows.histories import FOLDER
from tests.world.stage import PATIENCE, staged
from workers.runner import runner
from workflows.calls import run_step
from workflows.machine import Machine
from workflows.sealer import Sealer

PATCH = "ticket-before-pieces"
UNDER_WAY = (
    "sealer-finished",
    "sealer-parked-and-resumed",
    "sealer-expired-before-pc2",
    "sealer-aborted-while-running",
)


class TicketFirst(Machine):
    """Draws a ticket before the pieces are written too: a command more, and in another place."""

    guarded: ClassVar[bool] = False

    async def _attempt(self) -> Outcome | Failure:
        course = self._course
        if course.state is State.DealsAcquired and (not self.guarded or workflow.patched(PATCH)):
            await run_step(course.flow.rows[State.TreeDBuilt], course.task(), self._told_of_outage)
        return await super()._attempt()


class TicketFirstFromNowOn(TicketFirst):
    """The same, for tasks that come there only after it was brought in."""

    guarded = True


@workflow.defn(name="Sealer")
class Unguarded(Sealer):
    """The sealer of a build that was changed without a thought."""

    @workflow.init
    def __init__(self, task: SectorInput) -> None:
        """Take the changed machine."""
        super().__init__(task)
        self._machine = TicketFirst(task)

    @workflow.run
    async def run(self, task: SectorInput) -> Summary:  # noqa: ARG002 - as in Sealer
        """Run the task."""
        return await self._drive()


@workflow.defn(name="Sealer")
class Guarded(Sealer):
    """The sealer of a build in which the same change is guarded."""

    @workflow.init
    def __init__(self, task: SectorInput) -> None:
        """Take the changed machine."""
        super().__init__(task)
        self._machine = TicketFirstFromNowOn(task)

    @workflow.run
    async def run(self, task: SectorInput) -> Summary:  # noqa: ARG002 - as in Sealer
        """Run the task."""
        return await self._drive()


async def replay(history: WorkflowHistory, build: type) -> None:
    """Let a build take up a task with this history. Raises NondeterminismError where it cannot."""
    replayer = Replayer(workflows=[build], data_converter=pydantic_data_converter, workflow_runner=runner())
    await replayer.replay_workflow(history)


def stored(name: str) -> WorkflowHistory:
    """Return a stored history."""
    return WorkflowHistory.from_json(name, (FOLDER / f"{name}.json").read_text())


@pytest.mark.parametrize("name", UNDER_WAY)
async def test_commands_in_another_order_are_refused(name: str) -> None:
    """A build that would do something else than the history says fails the task, and does nothing."""
    with pytest.raises(workflow.NondeterminismError):
        await replay(stored(name), Unguarded)


@pytest.mark.parametrize("name", UNDER_WAY)
async def test_the_same_change_behind_a_patch_is_taken(name: str) -> None:
    """Under workflow.patched, a task that has passed the place goes on by what it did there."""
    await replay(stored(name), Guarded)


@pytest.mark.server
async def test_what_a_newer_build_has_begun_only_a_newer_build_goes_on_with(temporal: Client) -> None:
    """A task that has used the change replays on the build that has it; the one before waits, with a failed task."""
    async with staged(temporal, workflows=[Guarded]) as newer:
        part = newer.part(SEALER, State.Allocated)
        await part.start()
        await part.finished()
        assert part.count("assign_ticket") == 2, "the change is not in use"
        history = await part.handle.fetch_history()
    await replay(history, Guarded)
    with pytest.raises(workflow.NondeterminismError):
        await replay(history, Sealer)


@pytest.mark.filterwarnings("ignore:coroutine .*_WorkflowInstanceImpl:RuntimeWarning")
@pytest.mark.server
async def test_a_flow_that_only_a_newer_build_has_waits_for_it(
    temporal: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A task on a table that this build has not is neither ended nor parked: its workflow's task fails and says why."""
    caplog.set_level(logging.CRITICAL, "temporalio")
    async with staged(temporal) as older:
        part = older.part(SEALER, State.Allocated)
        part.given = part.given.model_copy(update={"flow_version": SEALER.version + 1})
        await part.start()
        async with asyncio.timeout(PATIENCE):
            async for event in part.handle.fetch_history_events(wait_new_event=True):
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                    said = event.workflow_task_failed_event_attributes.failure.message
                    break
        assert said == "this worker has no version 2 of the flow sealer: it waits for a worker of a newer build"
        assert (await part.handle.describe()).status is WorkflowExecutionStatus.RUNNING
        assert part.calls == [], "a step was run"
    # Where a workflow cannot begin the SDK leaves its coroutine behind, which no other test is to find.
    caplog.clear()
    gc.collect()
