"""What is counted of a fleet by its list in Temporal: who goes round and round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from temporalio.client import Client

from sealing.flow.events import ReSubmitPC
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from tests.world.stage import PATIENCE, Held, Stage, made, staged
from workers.measuring.fleet import Count, count

pytestmark = pytest.mark.server


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
