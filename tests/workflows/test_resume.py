"""Where a sector that stands still may be resumed to: from every state of both flows, to every state that there is.

What is expected is worked out here from the rows, not by the code that decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from sealing.failures import Outage, Permanent
from sealing.flow.state import State
from sealing.flow.table import Flow
from sealing.sector import Sector
from tests.workflows.histories import keep
from tests.world.stage import STEPS, Part, Stage, come_to, together

pytestmark = pytest.mark.server

BROKEN = Permanent("broken")


def later(flow: Flow, state: State) -> set[str]:
    """Return the fields that the forward edges of a row and of those below it set, without those that are kept."""
    rows = list(flow.rows)
    below = rows[rows.index(state) :]
    ahead = {row: {*rows[rows.index(row) + 1 :], *flow.terminal} for row in below}
    forwards = [event for row in below for event, to in flow.rows[row].edges.items() if to in ahead[row]]
    return {name for event in forwards for name in event.model_fields} - flow.kept


def has(sector: Sector, name: str) -> bool:
    """Tell whether a sector has a field."""
    return getattr(sector, name) is not None


def may(flow: Flow, sector: Sector, here: State) -> list[State]:
    """Return the states that a sector which stands in ``here`` may go to."""
    rows = list(flow.rows)
    return [
        state
        for state in rows[1 : rows.index(here) + 1]
        if all(has(sector, need) and need not in later(flow, state) for need in flow.rows[state].needs)
    ]


def needs_force(flow: Flow, sector: Sector, to: State) -> bool:
    """Tell whether going to a state makes the replica anew although a pre-commit of the old one was sent."""
    return sector.precommit_sent is not None and "comm_r" in later(flow, to)


def asks_chain(flow: Flow, sector: Sector, to: State) -> bool:
    """Tell whether going to a state draws a new ticket although a pre-commit with the old one was sent."""
    return sector.precommit_sent is not None and "ticket" in later(flow, to)


WAYS = [(flow, here, to) for flow, here in STEPS for to in may(flow, come_to(flow, here), here)]
"""Every way back, from each state to itself and to those before it."""


async def parked(stage: Stage, flow: Flow, here: State) -> Part:
    """Return a sector that a failure has parked in a state."""
    part = await stage.part(flow, here).at(here, BROKEN).start()
    await part.parked()
    return part


async def refusal(part: Part, argument: object) -> str:
    """Send a command by the update, which must be refused, and return the reason."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await part.control(argument)
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.message


@pytest.mark.parametrize("by", ["signal", "update"])
async def test_a_sector_can_be_taken_back_wherever_the_table_allows(stage: Stage, by: str) -> None:
    """The round grows by one, what later states set is gone but for what the chain has seen, and it finishes.

    Every other way by signal, the rest by update. What unmakes a replica that was sent is refused without force.
    """

    async def goes_back(flow: Flow, here: State, to: State) -> None:
        part = await parked(stage, flow, here)
        before = (await part.status()).sector  # of what has failed to be sent it is noted that it may have been
        order: dict[str, object] = {"state": to.value}
        if needs_force(flow, before, to):
            assert "a pre-commit was sent" in await refusal(part, {"command": "resume", **order})
            order["force"] = True
        answer = await (
            part.signal("resume", order) if by == "signal" else part.control({"command": "resume", **order})
        )
        assert answer.refused is None
        states = await part.finished()
        assert states[:2] == [here, to]
        assert states[-1] == list(flow.rows)[-1]
        task = part.tasks(to)[1 if to is here else 0]
        kept = {name: value for name, value in before if name not in later(flow, to)}
        assert dict(task.sector) == {**dict.fromkeys(later(flow, to)), **kept, "round": 1}
        assert part.count("precommit_on_chain") == int(asks_chain(flow, before, to))

    await together((way[1:], goes_back(*way)) for way in WAYS[0 if by == "signal" else 1 :: 2])


async def test_everywhere_else_it_is_refused(stage: Stage) -> None:
    """Each other state is refused with the reason, by signal and by update; the sector stays as it was."""

    async def refuses(flow: Flow, here: State) -> None:
        part = await parked(stage, flow, here)
        before = await part.status()
        allowed = may(flow, before.sector, here)
        assert list(before.resumable) == allowed
        for to in [state for state in State if state not in {*allowed, State.Aborted}]:
            by_signal = await part.signal("resume", to.value)
            reason = _reason(flow, before.sector, here, to)
            assert reason in (by_signal.refused or ""), to
            by_update = await refusal(part, {"command": "resume", "state": to.value})
            assert by_update == by_signal.refused, to
            assert "possible now: " + ", ".join([*allowed, "Abort"]) in by_update
        after = await part.status()
        assert after.model_copy(update={"last_command": None}) == before

    await together(((flow.name, here), refuses(flow, here)) for flow, here in STEPS)


async def test_a_new_ticket_after_a_precommit_needs_the_managers_word(stage: Stage) -> None:
    """While the manager says that it is on chain, or says nothing, not even force goes back to before the ticket."""

    async def asks(flow: Flow, here: State, to: State) -> None:
        part = await parked(stage, flow, here)
        order = {"command": "resume", "state": to.value, "force": True}
        before = await part.status()
        for said, why in (
            ("Landed", f"a pre-commit is on chain or on its way (Landed): {to} would draw another ticket"),
            (Permanent("it will not say"), "does not say whether the pre-commit is on chain"),
        ):
            part.acts["precommit_on_chain"].append(said)
            assert why in await refusal(part, order)
            assert (await part.status()).model_copy(update={"last_command": None}) == before
        part.at(to, BROKEN)
        answer = await part.control(order)
        assert answer.refused is None
        assert part.count("precommit_on_chain") == 3
        assert (await part.parked(2)).state is to
        if (here, to) == (State.PCSubmitted, State.TreeDBuilt):
            await keep(part.handle, "sealer-forced-back")

    ways = [(flow, here, to) for flow, here, to in WAYS if asks_chain(flow, come_to(flow, here), to)]
    assert ways
    await together((way[1:], asks(*way)) for way in ways)


async def test_a_manager_that_is_away_refuses_a_new_ticket(stage: Stage) -> None:
    """It cannot say that there is no pre-commit: nothing is touched."""
    flow, here = next(step for step in STEPS if step[1] is State.C2Done)
    part = await parked(stage, flow, here)
    part.always["precommit_on_chain"] = Outage("connection refused")
    answer = await part.signal("resume", {"state": "TreeDBuilt", "force": True})
    assert "connection refused; try later" in (answer.refused or "")
    assert (await part.status()).state is here
    await part.control("resume")
    await part.finished()


async def test_every_state_resumes_to_the_end(stage: Stage) -> None:
    """The words of the seed, both forms of them, abort a sector that stands still in any state."""

    async def aborts(flow: Flow, here: State, word: str) -> None:
        part = await parked(stage, flow, here)
        answer = await part.signal("resume", word)
        assert (answer.refused, answer.state) == (None, State.Aborted)
        with pytest.raises(Exception, match="failed"):
            await part.ended()
        assert part.count("clean_up") == part.count("report_end") == 1

    words = ("Abort", "Aborted")
    await together(
        ((flow.name, here), aborts(flow, here, words[number % 2])) for number, (flow, here) in enumerate(STEPS)
    )


async def test_of_two_resumes_in_one_moment_the_second_is_refused(stage: Stage) -> None:
    """A sector that a resume has set going is not taken back by the next."""
    flow, here = STEPS[4]
    part = await parked(stage, flow, here)
    sent: list[Coroutine[Any, Any, object]] = [part.control({"command": "resume", "state": to}) for to in (here, here)]
    ends = await asyncio.gather(*sent, return_exceptions=True)
    (refused,) = [end for end in ends if isinstance(end, WorkflowUpdateFailedError)]
    assert "there is nothing to resume" in str(refused.cause)
    assert (await part.finished()).count(here) == 2


def _reason(flow: Flow, sector: Sector, here: State, to: State) -> str:
    rows = list(flow.rows)
    if to not in rows[1:]:
        return f"{flow.name} cannot be resumed to {to}"
    if missing := [need for need in flow.rows[to].needs if not has(sector, need) or need in later(flow, to)]:
        return f"{to} needs {', '.join(missing)}, which the sector has not"
    assert rows.index(to) > rows.index(here)
    return f"{to} lies ahead of {here}"
