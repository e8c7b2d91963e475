"""How a task ends before its time, what the manager has to say in it, and what a manager that is away holds up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from sealing.failures import Outage, Permanent, Wait
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.flow.table import Flow, Place
from sealing.sector import Ending, Verdict
from tests.world.stage import STEPS, Held, Part, Stage, together

pytestmark = pytest.mark.server

AWAY = Outage("connection refused")
CALLS = [(flow, state) for flow, state in STEPS if flow.rows[state].where is Place.Manager]


async def aborted(part: Part) -> tuple[str, Ending]:
    """Wait for an end that is Aborted, told once, and return why and what the manager was told."""
    with pytest.raises(WorkflowFailureError) as ended:
        await part.ended()
    assert isinstance(ended.value.cause, ApplicationError)
    assert ended.value.cause.type == "Aborted"
    (ending,) = [argument for name, argument in part.calls if name == "report_end"]
    assert ending.report.next is State.Aborted
    return ended.value.cause.message, ending


async def test_an_abort_ends_a_sector_at_a_step(stage: Stage) -> None:
    """The step is let go of, files are cleaned up, and the reason is on the workflow and at the manager."""

    async def ends(flow: Flow, state: State) -> None:
        held = Held()
        part = await stage.part(flow, state).at(state, held).start()
        await held.begun.wait()
        await part.handle.signal("abort", {"reason": "wrong miner"})
        why, ending = await aborted(part)
        held.told.set()
        assert (why, ending.abort_reason, ending.tell) == (f"{state}: wrong miner", "wrong miner", True)
        assert (ending.report.previous, part.count("clean_up")) == (state, 1)

    await together(((flow.name, state), ends(flow, state)) for flow, state in STEPS if (flow, state) not in CALLS)


async def test_a_cancelled_workflow_is_an_abort(stage: Stage) -> None:
    """Whatever it is at: at a step, parked, or not even begun."""

    async def at_a_step(state: State) -> None:
        held = Held()
        part = await stage.part(SEALER, state).at(state, held).start()
        await held.begun.wait()
        await cancelled(part)
        held.told.set()

    async def parked(state: State) -> None:
        part = await stage.part(SEALER, state).at(state, Permanent("broken")).start()
        await part.parked()
        await cancelled(part)

    async def at_once(state: State) -> None:
        await cancelled(await stage.part(SEALER, state).start())

    async def cancelled(part: Part) -> None:
        await part.handle.cancel()
        why, ending = await aborted(part)
        assert ending.abort_reason == "the workflow was cancelled"
        assert why == f"{ending.report.previous}: {ending.abort_reason}"
        assert part.count("clean_up") == 1

    states = (State.TicketAssigned, State.PCSubmitted)
    await together((act.__name__, act(state)) for act in (at_a_step, parked, at_once) for state in states)


async def test_a_cancellation_does_not_end_the_end(stage: Stage) -> None:
    """Cancelled while an abort cleans up: the files go all the same, and the manager is told once."""
    part = await stage.part(SEALER, State.TicketAssigned).at(State.TicketAssigned, Held()).start()
    part.acts["clean_up"].append(held := Held())
    await part.handle.signal("abort", "first")
    await held.begun.wait()
    await part.handle.cancel()
    await part.until(lambda status: status.state is State.Aborted)
    held.told.set()
    assert (await aborted(part))[0] == "TicketAssigned: first"
    assert part.count("clean_up") == 1


async def test_a_forced_abort_leaves_the_files(stage: Stage) -> None:
    """With force nothing waits for the machine: it may be gone for good, and nobody serves its queue."""
    part = stage.part(SEALER, State.TicketAssigned, machine=f"{stage.machine}-gone")
    await part.start()
    answer = await part.control({"command": "abort", "force": True, "reason": "the machine is gone"})
    assert answer.command == "abort force: the machine is gone"
    assert (await aborted(part))[0] == "TicketAssigned: the machine is gone"
    assert part.count("clean_up") == 0


async def test_files_that_cannot_be_removed_hold_no_abort(stage: Stage) -> None:
    """The machine says that it failed: the task ends, and the sweep of left-overs is what remains."""
    part = stage.part(SEALER, State.TicketAssigned).at(State.TicketAssigned, Held())
    part.acts["clean_up"].append(Permanent("disk is read-only"))
    part.acts["report_end"].append(Permanent("unknown sector"))
    await part.start("abort")
    assert (await aborted(part))[0] == "TicketAssigned: aborted by an operator"


async def test_commands_at_the_end_are_refused(stage: Stage) -> None:
    """While files are cleaned up nothing is carried out any more, every sender is told, and the task still ends.

    Also where a command came in one task with the abort: a sender that waited on would keep the workflow open for ever.
    """
    part = stage.part(SEALER, State.C2Done).at(State.C2Done, call := Held())
    part.acts["clean_up"].append(cleaning := Held())
    await part.start()
    await call.begun.wait()
    for command in ("abort", "pause"):
        await part.handle.signal(command)
    call.told.set()
    await cleaning.begun.wait()
    for command in ("pause", "resume", "abort"):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await part.control(command)
        assert "the task has ended: Aborted" in str(refused.value.cause)
    cleaning.told.set()
    await aborted(part)


async def test_the_managers_word_ends_a_running_sector(stage: Stage) -> None:
    """The answer Finalized to the report of a state ends the task in it; nothing is reported back."""

    async def ends(flow: Flow, state: State) -> None:
        part = stage.part(flow, state).at(state, held := Held())
        part.acts["report_state"].append(Verdict(finalized=True, reason="the miner is leaving"))
        await part.start()
        why, ending = await aborted(part)
        held.told.set()
        assert (why, ending.tell) == (f"{state}: the miner is leaving", False)
        assert part.count("clean_up") == 1

    await together(((flow.name, state), ends(flow, state)) for flow, state in STEPS if (flow, state) not in CALLS)


async def test_the_managers_word_ends_a_parked_sector(stage: Stage) -> None:
    """A sector that stands still goes on asking, and one answer ends it."""

    async def ends(flow: Flow, state: State) -> None:
        part = stage.part(flow, state).at(state, Permanent("broken"))
        part.acts["await_finalized"] += [Wait("not yet", 0.05), Wait("not yet", 0.05), Verdict(finalized=True)]
        await part.start()
        why, ending = await aborted(part)
        assert (why, ending.tell) == (f"{state}: ended from the manager's side", False)
        assert (part.count("await_finalized"), part.count("clean_up")) == (3, 1)

    await together(((flow.name, state), ends(flow, state)) for flow, state in STEPS)


async def test_a_manager_that_is_away_parks_nothing(stage: Stage) -> None:
    """With no retries at all the step waits for as long as it takes; the status says why, and forgets it after."""

    async def waits(flow: Flow, state: State) -> None:
        part = stage.part(flow, state, max_retries=0).at(state, AWAY, AWAY, AWAY, held := Held())
        await part.start()
        await held.begun.wait()
        status = await part.status()
        assert status.standing == "waits for the manager"
        assert "connection refused" in (status.outage or "")
        assert (status.failure, status.halted, status.tries) == (None, False, 1)
        held.told.set()
        states = await part.finished()
        assert len(part.tasks(state)) == 4
        assert states[0] is state
        assert "await_finalized" not in dict(part.calls)
        assert (await part.status()).outage is None

    await together(((flow.name, state), waits(flow, state)) for flow, state in CALLS)


async def test_a_manager_that_is_away_is_called_once_a_polling_interval(stage: Stage) -> None:
    """So that work goes on within one of its return: every 30 s at least, once a second at most. The end's call too."""

    async def waits(polling: timedelta, longest: timedelta) -> None:
        part = stage.part(SEALER, State.C2Done, rpc_polling_interval=polling).at(State.C2Done, AWAY, AWAY)
        await part.start()
        await part.finished()
        scheduled = [
            event.activity_task_scheduled_event_attributes async for event in part.handle.fetch_history_events()
        ]
        pauses = {each.activity_type.name: each.retry_policy.maximum_interval.ToTimedelta() for each in scheduled}
        assert (pauses["submit_proof"], pauses["report_end"]) == (longest, longest)

    second = timedelta(seconds=1)
    cases = [(second / 10, second), (7 * second, 7 * second), (180 * second, 30 * second)]
    await together((case, waits(*case)) for case in cases)


async def test_a_wait_for_the_manager_can_be_paused(stage: Stage) -> None:
    """An outage ends with the pause, and begins anew with the resume."""
    state = State.C2Done
    part = stage.part(SEALER, state)
    part.always["submit_proof"] = AWAY
    await part.start()
    await part.until(lambda status: status.outage is not None)
    await part.control("pause")
    status = await part.parked()
    assert (status.state, status.outage, status.failure) == (state, None, None)
    del part.always["submit_proof"]
    await part.control("resume")
    await part.finished()


async def test_reports_that_do_not_arrive_hold_no_sector(stage: Stage) -> None:
    """A manager that takes no report at all, by an outage or by an error, costs a sector nothing but the reports."""

    async def runs(flow: Flow, why: Exception) -> None:
        part = stage.part(flow, State.Allocated, max_retries=0)
        part.always["report_state"] = why
        part.acts["report_end"] += [AWAY, AWAY, AWAY]
        await part.start()
        states = await part.finished()
        assert len(states) == len(set(states))
        assert part.count("report_end") == 4

    kinds = [(flow, why) for flow in (SEALER, SNAPUP) for why in (AWAY, Permanent("no such sector"))]
    await together(((flow.name, why), runs(flow, why)) for flow, why in kinds)
