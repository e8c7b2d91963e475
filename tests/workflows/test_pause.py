"""A pause, wherever it finds a sector: before it begins, at a step, in a queue, in a timer, in a wait for the chain."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from sealing.failures import Temporary, Wait
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.flow.table import Flow, Place
from sealing.values import UNKNOWN
from tests.workflows.histories import keep
from tests.world.stage import STEPS, Held, Part, Stage, made, together
from workers.watch import see

pytestmark = pytest.mark.server

AN_HOUR = timedelta(hours=1)
BY_ACTIVITY = [(flow, state) for flow, state in STEPS if flow.rows[state].where is not Place.Manager]
BY_CALL = [(flow, state) for flow, state in STEPS if flow.rows[state].where is Place.Manager]


async def goes_on(part: Part, state: State) -> None:
    """Check that a sector stands still in a state, without a failure, and that a resume takes it to the end."""
    status = await part.parked()
    assert (status.state, status.failure, status.tries, status.recovering) == (state, None, 1, False)
    answer = await part.control("resume")
    assert (answer.refused, answer.state) == (None, state)
    states = await part.finished()
    assert states[states.index(state) :].count(state) == 1, "a pause is no way back"


async def test_before_a_sector_begins(stage: Stage) -> None:
    """A pause that comes with the start stops a sector in its first state; no answer of a step is waited for."""

    async def stops(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).start("pause", "wait for the power")
        await goes_on(part, state)

    await together(((flow.name, state), stops(flow, state)) for flow, state in STEPS)


async def test_while_a_step_runs(stage: Stage) -> None:
    """The step is let go of, not waited for and not counted; resumed, it is run again, for the job's result."""

    async def stops(flow: Flow, state: State) -> None:
        held = Held()
        part = await stage.part(flow, state).at(state, held).start()
        await held.begun.wait()
        answer = await part.control("pause")
        assert (answer.refused, answer.state) == (None, state)
        await goes_on(part, state)
        held.told.set()
        assert len(part.tasks(state)) == 2
        assert part.count("stop_jobs") == 0

    await together(((flow.name, state), stops(flow, state)) for flow, state in BY_ACTIVITY)


async def test_while_the_manager_is_asked(stage: Stage) -> None:
    """A call that hangs is let go of as well; of what may have been sent meanwhile it is noted that nobody knows.

    The server hands a command to a workflow whose local activity runs only after 0.8 of the task's time limit.
    """

    async def stops(flow: Flow, state: State) -> None:
        held = Held()
        part = stage.part(flow, state).at(state, held)
        part.task_timeout = timedelta(seconds=1)
        await part.start()
        await held.begun.wait()
        await part.control("pause")
        sends = flow.rows[state].sends
        sector = (await part.status()).sector
        if sends is not None:
            # Of that ticket, which so is kept: it may be that of the replica on chain.
            epoch = sector.ticket.epoch if sector.ticket else None
            assert (getattr(sector, sends).digest, getattr(sector, sends).ticket_epoch) == (UNKNOWN, epoch)
        assert sector.model_dump(exclude={sends or ""}) == part.given.sector.model_dump(exclude={sends or ""})
        held.told.set()
        await goes_on(part, state)

    await together(((flow.name, state), stops(flow, state)) for flow, state in BY_CALL)


async def test_between_two_steps(stage: Stage) -> None:
    """A pause that comes as a step ends finds the sector in that state or the next; what the step did is kept."""

    async def stops(flow: Flow, state: State) -> None:
        part = stage.part(flow, state)

        async def order() -> None:
            await part.handle.signal("pause")

        await part.at(state, order).start()
        status = await part.parked()
        assert status.state in {state, *flow.rows[state].edges.values()}
        await part.control("resume")
        states = await part.finished()
        assert len(states) == len(set(states))

    # After the last step there is no next: it may have ended by then.
    steps = [(flow, state) for flow, state in STEPS if State.Finished not in flow.rows[state].edges.values()]
    await together(((flow.name, state), stops(flow, state)) for flow, state in steps)


async def test_in_a_queue(stage: Stage) -> None:
    """A machine that is away holds no pause; when it is back, a resume takes the sector to its end."""
    flow, machine = SNAPUP, f"{stage.machine}-away"
    states = [state for state in flow.rows if flow.rows[state].computes]
    parts = [await stage.part(flow, state, machine=machine).start() for state in states]
    for part in parts:
        await part.control("pause")
        assert (await part.parked()).state is part.given.state
    async with stage.worker(machine):
        await together((part.given.state, goes_on(part, part.given.state)) for part in parts)


async def test_in_the_wait_before_the_next_try(stage: Stage) -> None:
    """The timer ends; a resume begins to count anew. It counts as paused, though it keeps the failure that it had."""

    async def stops(flow: Flow, state: State) -> None:
        part = stage.part(flow, state, recover_interval=AN_HOUR, max_retries=5).at(state, Temporary("no luck"))
        await part.start()
        status = await part.until(lambda status: status.recovering)
        assert status.next_try is not None
        assert (status.tries, status.failure and status.failure.text) == (2, "no luck")
        await part.control("pause")
        status = await part.parked()
        assert (status.state, status.recovering, status.next_try) == (state, False, None)
        assert (status.standing, see(await part.handle.describe()).standing) == ("paused", "paused")
        assert await part.control("resume")
        assert len(set(await part.finished())) == len((await part.ended()).stays)

    await together(((flow.name, state), stops(flow, state)) for flow, state in STEPS)


async def test_in_a_wait_for_the_chain(stage: Stage) -> None:
    """The server holds the next look back for an hour: a pause does not wait for it, and a resume looks at once."""

    async def stops(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, Wait("not yet on chain", AN_HOUR.total_seconds())).start()
        await part.called(flow.rows[state].activity)
        await part.control("pause")
        await goes_on(part, state)

    chain = [(flow, state) for flow, state in STEPS if flow.rows[state].where is Place.Chain]
    assert chain
    await together(((flow.name, state), stops(flow, state)) for flow, state in chain)


async def test_in_the_wait_before_something_is_sent_again(stage: Stage) -> None:
    """What failed on chain is not sent again while the sector stands still."""

    async def stops(flow: Flow, state: State) -> None:
        part = stage.part(flow, state, resubmit_interval=AN_HOUR)
        again = flow.rows[state].again
        assert again is not None
        part.at(state, made(again))
        await part.start()
        status = await part.until(lambda status: status.next_try is not None)
        assert status.standing == "waits to send again"
        await part.control("pause")
        status = await part.parked()
        assert (status.state, status.next_try) == (flow.rows[state].edges[again], None), "the event counts"
        await part.control("resume")
        assert await part.finished()

    waits = [(flow, state) for flow, state in STEPS if flow.rows[state].again is not None]
    await together(((flow.name, state), stops(flow, state)) for flow, state in waits)


async def test_now_stops_the_job_as_well(stage: Stage) -> None:
    """The job is ended, also that of a sector that stands still already."""
    state = State.TicketAssigned
    held = Held()
    part = await stage.part(SEALER, state).at(state, held).start()
    await held.begun.wait()
    assert (await part.control("pause")).refused is None
    assert part.count("stop_jobs") == 0
    assert (await part.control({"command": "pause", "now": True})).refused is None
    assert part.count("stop_jobs") == 1
    (first, stopping) = part.tasks(state)
    assert first == stopping
    held.told.set()
    await goes_on(part, state)
    await keep(part.handle, "sealer-paused-now")


async def test_a_job_that_cannot_be_stopped_is_said_so(stage: Stage) -> None:
    """The sector stands still all the same, and the order is refused with the reason."""
    state = State.TicketAssigned
    part = stage.part(SEALER, state).at(state, held := Held())
    part.acts["stop_jobs"].append(Temporary("no permission"))
    await part.start()
    await held.begun.wait()
    answer = await part.signal("pause", {"now": True})
    assert answer.refused == "it stands still, and its job could not be stopped: Temporary: no permission"
    held.told.set()
    await goes_on(part, state)


@pytest.mark.parametrize("rounds", [2, 10])
async def test_orders_in_one_moment_are_carried_out_in_their_order(stage: Stage, rounds: int) -> None:
    """Pause, resume, pause, resume at once: each is carried out, and the sector runs."""

    async def obeys(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, held := Held()).start()
        await held.begun.wait()
        for command in ["pause", "resume"] * rounds:
            await part.handle.signal(command)
        held.told.set()
        states = await part.finished()
        assert len(states) == len(set(states))
        answer = await part.status()
        assert answer.last_command is not None
        assert answer.last_command.refused is None

    await together(((flow.name, state), obeys(flow, state)) for flow, state in BY_ACTIVITY[::3])


async def test_a_second_pause_is_refused_and_harms_nothing(stage: Stage) -> None:
    """What stands still already is told so; one resume sets it going."""
    part = await stage.part(SEALER, State.TicketAssigned).start("pause")
    await part.parked()
    answer = await part.signal("pause")
    await part.until(lambda status: status.last_command is not None and status.last_command.refused is not None)
    assert answer.command == "pause"
    await part.control("resume")
    await part.finished()


async def test_whenever_it_comes(stage: Stage) -> None:
    """Sectors that are paused and resumed over and over, wherever they are, lose nothing and finish."""

    async def disturbed(flow: Flow) -> None:
        part = await stage.part(flow, State.Allocated).start()
        ended = asyncio.create_task(part.finished())
        while not ended.done():
            for command in ("pause", "resume"):
                with_end = asyncio.create_task(_or_ended(part, command))
                await asyncio.wait({with_end, ended}, return_when=asyncio.FIRST_COMPLETED)
                await with_end
        states = await ended
        assert len(states) == len(set(states))

    await together((number, disturbed(flow)) for number, flow in enumerate([SEALER, SNAPUP] * 4))


async def _or_ended(part: Part, command: str) -> None:
    """Send a command, unless it is refused because the task has ended."""
    try:
        await part.control(command)
    except (WorkflowUpdateFailedError, RPCError) as refused:
        words = str(refused.cause) if isinstance(refused, WorkflowUpdateFailedError) else str(refused)
        assert any(end in words for end in ("the task has ended", "already completed", "closing workflow")), words
