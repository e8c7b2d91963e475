"""What is counted of a fleet by its list in Temporal: who goes round and round, and who stays behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from temporalio.client import Client

from sealing.failures import Temporary
from sealing.flow.events import ReSubmitPC
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from tests.world.stage import PATIENCE, Held, Stage, made, staged
from workers.measuring.fleet import Count, count

pytestmark = pytest.mark.server

STAYS = ("sealer", "PCSubmitted")
CLOCKS = 1.0
"""Seconds by which the server's times may be before ours: it keeps thousandths."""


async def counted(stage: Stage, holds: Callable[[Count], bool]) -> Count:
    """Return the first count of the stage's fleet of which something holds: visibility is a moment behind."""
    async with asyncio.timeout(PATIENCE):
        while not holds(found := await count(stage.client, stage.fleet)):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
    return found


async def test_a_sector_that_goes_round_is_told_until_it_is_paused(temporal: Client) -> None:
    """However many others do not; and the search attribute by which it is found is a number."""
    async with staged(temporal) as stage:
        goes_round = stage.part(SEALER, State.PCSubmitted).at(State.PCSubmitted, *[made(ReSubmitPC)] * 4, Held())
        others = [
            stage.part(SEALER, State.PCSubmitted).at(State.PCSubmitted, act, Held())
            for act in (made(ReSubmitPC), Held())
        ]
        for part in (goes_round, *others):
            await part.start()
        await counted(stage, lambda seen: seen.rounds == {"sealer": 4, "snapup": 0})
        query = f"TaskQueue = '{stage.fleet}' AND SealRound > 3 AND Parked = false"
        assert [found.id async for found in temporal.list_workflows(query)] == [goes_round.handle.id]
        await goes_round.control("pause")
        await counted(stage, lambda seen: seen.rounds == {"sealer": 1, "snapup": 0})


async def test_who_stays_behind_is_told_whoever_leaves_the_state(temporal: Client) -> None:
    """From when the state was entered, through tries that fail; after a pause from when it was resumed."""
    async with staged(temporal) as stage:
        began = time.time()
        behind = stage.part(SEALER, State.PCSubmitted).at(State.PCSubmitted, Temporary("no luck"), Held())
        await behind.start()
        await behind.called("check_precommit", 2)
        tried = time.time()
        other = stage.part(SEALER, State.PCSubmitted)
        await other.start()
        await other.finished()
        seen = await counted(stage, lambda seen: seen.states == {STAYS: 1})
        assert began - CLOCKS < seen.since[STAYS] < tried
        query = f"TaskQueue = '{stage.fleet}' AND SealSince < '{datetime.fromtimestamp(tried, UTC).isoformat()}'"
        running = f"{query} AND ExecutionStatus = 'Running'"
        assert [found.id async for found in temporal.list_workflows(running)] == [behind.handle.id]

        await behind.control("pause")
        await counted(stage, lambda seen: not seen.since)
        behind.at(State.PCSubmitted, Held())
        await behind.control("resume")
        again = await counted(stage, lambda seen: STAYS in seen.since)
        assert again.since[STAYS] > tried
