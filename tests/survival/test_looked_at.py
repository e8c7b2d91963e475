"""A sector that is looked at and signalled in the seconds after its worker was killed: its history goes on to fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from sealing.flow.state import State
from tests.survival.program import program
from tests.survival.test_broken_files import finished_well, half, returned_to_broken
from tests.world.plant import Plant, plant
from workers.ahead import ANEW

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


async def test_a_signal_after_a_query_that_was_ahead(temporal: Client, tmp_path: Path) -> None:
    """The signal is judged as the history has it, once and for all: a worker that reads it from the start agrees.

    The query shows a failure that no task has taken, for the task waits for the queue of the worker that was killed.
    The plant's end replays the history; a workflow that kept what the query showed would not get that far.
    """
    go = tmp_path / "go"
    async with plant(temporal, tmp_path / "plant") as built:
        built.simulate(pc2={"until": str(go)})
        async with program(built) as worker:
            await returned_to_broken(built, worker, half)
            go.touch()
            await built.until(lambda: _halted(built), "the sector to be shown as parked")
            await built.sector().signal("resume", "TicketAssigned")
            await built.until(lambda: _read_anew(built), "the workflow's task to be failed, once")
            status = await built.parked()
            assert status.last_command is not None
            assert "the sector is running in PC1Done" in (status.last_command.refused or "taken")
            worker.kill()
            await worker.gone()
            await worker.start()
            assert (await built.parked()).state is State.PC1Done
            await built.sector().signal("resume", "TicketAssigned")
            await finished_well(built)
        assert await _read_anew(built) == 1


async def _halted(built: Plant) -> bool:
    return (await built.status(1)).halted


async def _read_anew(built: Plant) -> int:
    """Count the tasks that were failed so that the workflow is read anew."""
    history = await built.sector().fetch_history()
    failures = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED]
    assert {event.workflow_task_failed_event_attributes.failure.message for event in failures} <= {ANEW}
    return len(failures)
