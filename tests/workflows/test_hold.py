"""A manager that holds the question whether a message has landed: a whole sector, by how often it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

import activities.chain
from sealing.flow.state import State
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

SELDOM = 'rpc_polling_interval = "1h"'
"""Who does not hear of a landing by the question that is held does not hear of it in time."""
POLLS = ("Venus.PollPreCommitState", "Venus.PollProofState")
LONG = 30


@pytest.fixture
async def held(temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Plant]:
    """Build a plant whose messages never land, and whose manager's questions end with nobody but who asks.

    They are asked without the wire that tests tap: it would hold them when the worker has let go of them.
    """
    monkeypatch.setattr(activities.chain, "HOLD", 3600)
    chain: dict[str, Any] = {"epoch_seconds": 0.3, "landed_after": 100_000, "hold_seconds": 3600}
    async with plant(temporal, tmp_path, **chain) as built:
        built.untapped()
        yield built


async def test_one_question_tells_of_a_landing(temporal: Client, tmp_path: Path) -> None:
    """From a sector's start to its end each message is asked about once, however long an interval is."""
    async with plant(temporal, tmp_path, hold_seconds=LONG, epoch_seconds=0.3, landed_after=4) as built:
        built.unhurried(SELDOM)
        async with working(built):
            await built.finished()
        assert [built.proxy.count(method) for method in POLLS] == [1, 1]


async def test_it_is_asked_again_when_the_wait_is_over(temporal: Client, tmp_path: Path) -> None:
    """At once, and not more often than the wait is long: a message of three seconds takes four questions at most."""
    async with plant(temporal, tmp_path, hold_seconds=1, epoch_seconds=0.3, landed_after=10) as built:
        built.unhurried(SELDOM)
        async with working(built):
            await built.finished()
        assert all(1 <= built.proxy.count(method) <= 4 for method in POLLS)


async def test_a_manager_that_holds_no_longer_is_asked_in_intervals(temporal: Client, tmp_path: Path) -> None:
    """An answer that comes sooner than the wait, as from a manager that stops, is none to ask again at once."""
    async with plant(temporal, tmp_path, hold_seconds=LONG, epoch_seconds=0.3, landed_after=100_000) as built:
        built.unhurried(SELDOM)
        async with working(built):
            await built.until(lambda: built.devnet.holding.held == 1, "a question to be held")
            built.devnet.holding.end()
            await built.until(lambda: built.devnet.holding.held == 0, "it to be answered")

            async def waits() -> bool:
                described = await built.sector().describe()
                pending = described.raw_description.pending_activities
                return any("the pre-commit is " in each.last_failure.message for each in pending)

            await built.until(waits, "the step to wait for its next look")
        assert built.proxy.count(POLLS[0]) == 1


async def test_a_pause_ends_the_question(held: Plant) -> None:
    """With the step's next heartbeat; the sector itself stands still at once, and is asked about when it is resumed."""
    async with working(held) as built:
        await built.until(lambda: built.devnet.holding.held == 1, "a question to be held")
        await built.sector().signal("pause")
        assert (await built.parked()).state is State.PCSubmitted
        await built.until(lambda: built.devnet.holding.held == 0, "the question to end")
        await built.sector().signal("resume")
        await built.until(lambda: built.devnet.holding.held == 1, "it to be asked again")


async def test_a_worker_that_ends_lets_go_of_the_question(held: Plant) -> None:
    """It does not wait for the answer."""
    async with working(held):
        await held.until(lambda: held.devnet.holding.held == 1, "a question to be held")
    await held.until(lambda: held.devnet.holding.held == 0, "the question to end")
