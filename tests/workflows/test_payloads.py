"""Whatever anybody signals, in whatever number: no workflow task fails, and the sector or thread goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from sealing.failures import Permanent
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.sector import ThreadInput, thread_id
from tests.world.payloads import Letter, drawn, extremes, json_of, letters
from tests.world.stage import PATIENCE, Held, Part, Stage
from workers.runner import WORKFLOWS, runner
from workflows.commands import Kind
from workflows.thread import SealingThread, ThreadStatus

pytestmark = pytest.mark.server

AT_ONCE = 100
TAKEN_BACK = {
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
}
"""The server takes a task back and gives it out anew, where very many signals came during it. No failure of ours."""

HERE = [state.value for state in State if state is not State.Aborted]
HARMLESS = drawn(letters(("pause", "resume"), HERE), 600)
"""Nothing of these ends a sector, so that it must finish after all of them."""
ENDING = drawn(letters([*Kind], ["Abort", *State]), 150)
COMMANDS = [Letter("control", ((b"json/plain", json_of(word)),)) for word in ("resume", {"command": "pause"})]
UPDATES = [*COMMANDS, *drawn(letters(["control"], ["pause", "resume", *HERE]), 100)]
TO_THREADS = drawn(letters(("pause", "resume", "abort", "drain", "undrain"), ["Abort", *State]), 250)


async def sent(handle: WorkflowHandle[Any, Any], post: Sequence[Letter]) -> int:
    """Send letters, a hundred at once, and return how many came after the workflow's end."""

    async def send(letter: Letter) -> bool:
        try:
            await handle.signal(letter.name, args=letter.arguments)
        except RPCError as refused:
            assert refused.status is RPCStatusCode.NOT_FOUND  # noqa: PT017 - any other end of the call is an error
            return False
        return True

    came = []
    for at in range(0, len(post), AT_ONCE):
        came += await asyncio.gather(*(send(letter) for letter in post[at : at + AT_ONCE]))
    return came.count(False)


async def no_task_failed(client: Client, workflow: str) -> int:
    """Check the histories of all runs of a workflow, one continued as the next, and return how many there are."""
    described = await client.get_workflow_handle(workflow).describe()
    run, runs = described.raw_description.workflow_execution_info.first_run_id, 0
    while run:
        runs += 1
        event = HistoryEvent()
        async for event in client.get_workflow_handle(workflow, run_id=run).fetch_history_events():
            cause = event.workflow_task_failed_event_attributes.cause
            assert event.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED or cause in TAKEN_BACK, event
        run = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return runs


def broken(stage: Stage) -> Part:
    """Return a sector that will stand still before PC2, whenever it comes there."""
    part = stage.part(SEALER, State.PC1Done)
    part.always["pc2"] = Permanent("broken")
    return part


async def finishes(part: Part) -> None:
    """Repair what was broken, resume, and check that the sector finishes and that none of its tasks has failed."""
    part.always.clear()
    with suppress(WorkflowUpdateFailedError):  # the last signal may have been a resume
        await part.control("resume")
    await part.finished()
    await no_task_failed(part.client, part.given.workflow_id)


async def test_a_sector_that_stands_still_survives_all_signals(stage: Stage) -> None:
    """Hundreds of them, a hundred at once: refused or carried out, and after them it finishes."""
    part = await broken(stage).start()
    await part.parked()
    assert await sent(part.handle, HARMLESS) == 0
    await finishes(part)


async def test_a_sector_survives_huge_and_deep_arguments(stage: Stage) -> None:
    """A megabyte is not even read, and brackets without end are refused, to each command and to none of them."""
    part = await broken(stage).start()
    await part.parked()
    for name in ("pause", "resume", "other"):
        assert await sent(part.handle, extremes(name)) == 0
    await finishes(part)


async def test_signals_before_a_sector_begins(stage: Stage) -> None:
    """What arrives while no worker runs is all there with the first task."""
    queue = f"{stage.fleet}-late"
    part = broken(stage)
    part.queue = queue
    await part.start()
    assert await sent(part.handle, HARMLESS[:AT_ONCE]) == 0
    async with stage.worker(queue, workflows=WORKFLOWS, workflow_runner=runner()):
        await finishes(part)


async def test_signals_at_and_after_a_sectors_end(stage: Stage) -> None:
    """While a finished sector's files are removed nothing changes any more, and after that nothing arrives."""
    part = stage.part(SNAPUP, State.Persisted)
    part.acts["clean_up"].append(held := Held())
    await part.start()
    await held.begun.wait()
    post = [*HARMLESS[:AT_ONCE], *ENDING[:AT_ONCE]]
    assert await sent(part.handle, post) == 0
    held.told.set()
    await part.finished()
    assert await sent(part.handle, post) == len(post)
    await no_task_failed(part.client, part.given.workflow_id)


async def test_signals_that_may_end_a_sector(stage: Stage) -> None:
    """Some of these abort it: then it ends as Aborted, and what is left over arrives nowhere."""
    for at in range(0, len(ENDING), 30):
        part = await broken(stage).start()
        await part.parked()
        await sent(part.handle, ENDING[at : at + 30])
        await sent(part.handle, [Letter("abort", ())])
        with pytest.raises(WorkflowFailureError) as ended:
            await part.ended()
        assert isinstance(ended.value.cause, ApplicationError)
        assert ended.value.cause.type == "Aborted"
        await no_task_failed(part.client, part.given.workflow_id)


async def test_a_sector_survives_all_updates(stage: Stage) -> None:
    """Each is answered, most of them by a refusal that says why; as many at once as the server takes."""
    part = await broken(stage).start()
    await part.parked()

    async def update(letter: Letter) -> bool:
        try:
            await part.handle.execute_update("control", args=letter.arguments)
        except WorkflowUpdateFailedError:
            return False
        return True

    carried_out = []
    for at in range(0, len(UPDATES), 8):
        carried_out += await asyncio.gather(*(update(letter) for letter in UPDATES[at : at + 8]))
    assert set(carried_out) == {True, False}
    await finishes(part)


async def test_a_thread_survives_all_signals(stage: Stage) -> None:
    """A thread without a sector is paused, resumed and drained by some, refuses the rest, renews itself, answers."""
    location = f"/stage/{stage.machine}/idle"
    thread = ThreadInput(worker=stage.machine, location=location, index=0)
    handle = await stage.client.start_workflow(
        SealingThread.run, thread, id=thread_id(stage.machine, Path(location)), task_queue=stage.fleet
    )
    post = [*TO_THREADS, *(letter for name in (*Kind, "drain", "other") for letter in extremes(name)[2:])]
    assert await sent(handle, post) == 0
    await handle.signal("undrain", "x" * 10)
    status: ThreadStatus = await asyncio.wait_for(handle.query("status", result_type=ThreadStatus), PATIENCE)
    assert (status.sector, status.drained) == (None, False)
    assert await no_task_failed(stage.client, handle.id) >= 2
    await handle.terminate("the test is over")


async def test_a_sector_whose_history_has_become_long_stands_still_anew(stage: Stage) -> None:
    """It continues as new with all that it knew and is found by, and a resume takes it to its end."""
    part = await stage.part(SEALER, State.TreeDBuilt).at(State.PC1Done, Permanent("broken")).start()
    before, found_by = await part.parked(), (await part.handle.describe()).typed_search_attributes
    huge = extremes("other")[0]
    assert await sent(part.handle, [huge] * 6) == 0
    await part.called("await_finalized", 2)
    after = await part.until(lambda status: status.halted)
    known = {"state", "halted", "failure", "sector", "stays", "since", "resumable"}
    assert after.model_dump(include=known) == before.model_dump(include=known)
    assert (await part.handle.describe()).typed_search_attributes == found_by
    await part.control("resume")
    states = await part.finished()
    assert states[:4] == [State.TreeDBuilt, State.TicketAssigned, State.PC1Done, State.PC2Done]
    assert await no_task_failed(part.client, part.given.workflow_id) >= 2
