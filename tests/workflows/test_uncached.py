"""A worker that keeps hardly a workflow in memory: most tasks replay the whole history, and must come to the same."""

from __future__ import annotations

import logging

import pytest

from sealing.failures import Permanent, Temporary
from sealing.flow.state import State
from sealing.flow.table import Flow
from tests.workflows.test_pause import BY_ACTIVITY
from tests.workflows.test_payloads import no_task_failed
from tests.world.stage import Held, Stage, together
from workers.runner import WORKFLOWS, runner

pytestmark = pytest.mark.server

REMEMBERED = 2
"""With none at all the SDK loses a local activity that outlasts its task, and only a time limit ends the wait."""


# The SDK warns of a local activity whose workflow is forgotten at its end; errors of warnings would end the worker.
@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel:UserWarning")
async def test_a_sector_comes_to_the_same_from_its_history_alone(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Retried, parked, refused, taken back, paused and resumed: no task differs from what was recorded.

    Nor is a workflow hard to forget: the SDK would log an error.
    """
    queue = f"{stage.fleet}-forgetful"

    async def lives(flow: Flow, state: State) -> None:
        part = stage.part(flow, state).at(state, Temporary("no luck"), Permanent("broken"), held := Held())
        part.queue = queue
        await part.start()
        await part.parked()
        await part.signal("resume", "Finished")
        await part.control("resume")
        await held.begun.wait()
        await part.control("pause")
        await part.parked(2)
        held.told.set()
        await part.control({"command": "resume", "state": state})
        assert (await part.finished())[:2] == [state, state]
        await no_task_failed(part.client, part.given.workflow_id)

    async with stage.worker(queue, workflows=WORKFLOWS, workflow_runner=runner(), max_cached_workflows=REMEMBERED):
        await together(((flow.name, state), lives(flow, state)) for flow, state in BY_ACTIVITY[::2])
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
