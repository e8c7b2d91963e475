"""Every state of both flows, and every way in which its step can end: the tables decide what is run here."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.failures import Abort, Critical, Level, LeveledFailure, Permanent, Temporary
from sealing.flow.events import Event
from sealing.flow.state import State
from sealing.flow.table import Flow
from sealing.sector import Sector
from sealing.values import UNKNOWN, Submission
from tests.workflows.histories import keep
from tests.world.stage import EVENTS, STEPS, Stage, made, path, together

pytestmark = pytest.mark.server

EDGES = [edge for edge in EVENTS if edge[1] is not edge[0].start]


def rest(flow: Flow, state: State) -> list[State]:
    """Return the states that a sector goes through from one on, where every step ends in its first event."""
    states = []
    while state not in flow.terminal:
        states.append(state)
        state = next(to for to in flow.rows[state].edges.values() if not flow.is_back(state, to))
    return states


async def test_every_edge_leads_where_the_table_says(stage: Stage) -> None:
    """Each event of each state is applied, the next state is its edge's, and the sector finishes from there."""

    async def leads(flow: Flow, state: State, event: type[Event], to: State) -> None:
        part = await stage.part(flow, state).at(state, made(event)).start()
        states = await part.finished()
        assert states[0] is state
        assert states[1:] == (rest(flow, to) if to in flow.rows else [])
        assert part.count("clean_up") == part.count("report_end") == 1
        assert [report.next for name, report in part.calls if name == "report_state"] == states
        if to in flow.rows:
            (task,) = part.tasks(to)[:1]
            assert task.sector.model_dump(include=set(event.sets())) == made(event).model_dump()
            assert task.sector.round == (1 if flow.is_back(state, to) else 0)

    await together((edge[1:], leads(*edge)) for edge in EDGES)


def failed_at(flow: Flow, state: State, sector: Sector) -> Sector:
    """Return a sector after its step has failed: the same, but that what it sends may have been sent."""
    sends, ticket = flow.rows[state].sends, sector.ticket
    if sends is None:
        return sector
    doubt = Submission(digest=UNKNOWN, round=sector.round, ticket_epoch=ticket.epoch if ticket else None)
    return sector.model_copy(update={sends: doubt})


async def test_an_event_that_the_state_does_not_have_parks(stage: Stage) -> None:
    """A step that ends in another step's event is a defect: the sector stands still, and nothing is applied."""

    async def parks(flow: Flow, state: State) -> None:
        other = next(event for _, _, event, _ in EDGES if event not in flow.rows[state].edges)
        part = await stage.part(flow, state).at(state, made(other)).start()
        status = await part.parked()
        assert (status.state, status.sector) == (state, failed_at(flow, state, part.given.sector))
        assert status.failure is not None
        assert f"ended in {other.__name__}, which {state} has not" in status.failure.text

    await together(((flow.name, state), parks(flow, state)) for flow, state in STEPS)


async def test_a_temporary_failure_is_tried_again(stage: Stage) -> None:
    """One failure where one retry is allowed: the sector finishes by itself, and the second try is counted."""

    async def goes_on(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, Temporary("no luck")).start()
        states = await part.finished()
        assert states == rest(flow, state)
        summary = await part.ended()
        assert [stay.tries for stay in summary.stays] == [2] + [1] * (len(states) - 1)
        assert summary.stays[0].failure == "no luck"
        assert len(part.tasks(state)) == 2
        assert part.count("await_finalized") == 0

    await together(((flow.name, state), goes_on(flow, state)) for flow, state in STEPS)


async def test_a_temporary_failure_that_stays_parks(stage: Stage) -> None:
    """Two failures where one retry is allowed are permanent; the text says how often it was tried."""

    async def parks(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, Temporary("no luck"), Temporary("never")).start()
        status = await part.parked()
        assert (status.state, status.tries, status.sector) == (state, 2, failed_at(flow, state, part.given.sector))
        assert status.failure is not None
        assert (status.failure.level, status.failure.text) == (Level.Permanent, "never (tried 2 times)")
        part.at(state, Temporary("once more"))
        await part.signal("resume")
        assert await part.finished() == rest(flow, state)
        assert (await part.ended()).stays[0].tries == 2, "a resume counts from the beginning"

    await together(((flow.name, state), parks(flow, state)) for flow, state in STEPS)


@pytest.mark.parametrize("failure", [Permanent, Critical])
async def test_a_failure_for_people_parks_and_a_resume_runs_the_state_again(
    stage: Stage, failure: type[LeveledFailure]
) -> None:
    """The sector stands still with what it had, the manager is told why, and the same step runs again."""

    async def parks(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, failure("broken")).start()
        status = await part.parked()
        after = failed_at(flow, state, part.given.sector)
        assert (status.state, status.tries, status.sector) == (state, 1, after)
        assert status.failure is not None
        assert (status.failure.level, status.failure.text) == (failure.level, "broken")
        told = next(report for name, report in part.calls if name == "await_finalized")
        assert (told.next, told.failure) == (state, status.failure)
        assert len(part.tasks(state)) == 1
        answer = await part.control("resume")
        assert answer.refused is None
        assert await part.finished() == rest(flow, state)
        assert [task.sector for task in part.tasks(state)] == [part.given.sector, after]

    await together(((flow.name, state), parks(flow, state)) for flow, state in STEPS)


async def test_a_failure_that_ends_the_task_aborts(stage: Stage) -> None:
    """The workflow fails with an error of type Aborted, files are cleaned up and the manager is told, once each."""

    async def aborts(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, Abort("beyond repair")).start()
        with pytest.raises(WorkflowFailureError) as ended:
            await part.ended()
        assert isinstance(ended.value.cause, ApplicationError)
        assert (ended.value.cause.type, ended.value.cause.message) == ("Aborted", f"{state}: beyond repair")
        assert part.count("clean_up") == part.count("report_end") == 1
        (ending,) = [argument for name, argument in part.calls if name == "report_end"]
        assert (ending.abort_reason, ending.tell) == ("beyond repair", True)
        assert (ending.report.previous, ending.report.next) == (state, State.Aborted)

    await together(((flow.name, state), aborts(flow, state)) for flow, state in STEPS)


async def test_what_nobody_foresaw_parks(stage: Stage) -> None:
    """An exception without a level is Permanent, with its type and text; never an endless retry."""

    async def parks(flow: Flow, state: State) -> None:
        part = await stage.part(flow, state).at(state, KeyError("comm_r")).start()
        status = await part.parked()
        assert status.failure is not None
        assert (status.failure.level, status.failure.text) == (Level.Permanent, "KeyError: 'comm_r'")

    await together(((flow.name, state), parks(flow, state)) for flow, state in STEPS)


async def test_from_the_first_state_to_the_end(stage: Stage) -> None:
    """A whole run is the table's rows, and at the end the sector has what all their events set."""

    async def runs(flow: Flow) -> None:
        first = next(iter(flow.rows[flow.start].edges.values()))
        part = await stage.part(flow, first).start()
        assert await part.finished() == rest(flow, first)
        await keep(part.handle, f"{flow.name}-on-stage")
        (cleaned,) = [task.sector for task in part.tasks(State.Finished)]
        for _, event in path(flow, State.Finished)[1:]:
            assert cleaned.model_dump(include=set(event.sets())) == made(event).model_dump()

    await together((flow.name, runs(flow)) for flow in {flow.name: flow for flow, _ in STEPS}.values())
