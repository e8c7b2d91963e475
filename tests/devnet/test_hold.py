"""Polls that are held until their message is decided: by how many requests it is known, and what ends a hold."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sealing.devnet import hold
from sealing.devnet.faults.book import order_fault
from sealing.devnet.faults.kinds import Down, Fault, Lost, Outcome, Slow
from sealing.devnet.queries import Observer
from sealing.failures import Outage
from sealing.manager.client import Manager, Watched
from sealing.manager.wire import OnChain
from sealing.values import SectorId
from tests.devnet.world import StillClock, World, config_for, running

EPOCH = 0.2
LONG = 30
"""Seconds of a hold that does not end by itself while a test waits."""
PATIENCE = 60.0
FAR = 100_000
"""Epochs in which no test sees a message land."""


class GoingClock(StillClock):
    """The time as it is: a hold lasts as long as the chain's epochs do."""

    def __call__(self) -> float:
        """Return the time."""
        return time.time()


@contextlib.asynccontextmanager
async def going(folder: Path, **settings: Any) -> AsyncIterator[tuple[World, SectorId]]:
    """Run a manager whose chain goes on, and send a pre-commit."""
    chosen = {"epoch_seconds": EPOCH, "ticket_lifetime": FAR, "hold_seconds": LONG, **settings}
    async with running(config_for(folder / "devnet", **chosen), GoingClock()) as world:
        sector = await world.allocated()
        await world.precommit(sector, await world.manager.assign_ticket(sector))
        yield world, sector


def watching(world: World, sector: SectorId, wait: int = LONG) -> asyncio.Task[Watched]:
    """Ask a question that may be held."""
    return asyncio.create_task(world.manager.watch_precommit(sector, wait))


async def holds(world: World, count: int) -> None:
    """Wait until the manager holds so many questions."""
    async with asyncio.timeout(PATIENCE):
        while world.server.holding.held != count:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


def order(world: World, fault: Fault) -> None:
    """Order a fault as another process does."""
    order_fault(world.server.config, fault, world.clock)


async def test_a_landing_is_known_by_one_question(tmp_path: Path) -> None:
    """Which is held over the message's being packed, until the epoch in which it lands."""
    async with going(tmp_path, packed_after=1, landed_after=4) as (world, sector):
        watched = await asyncio.wait_for(watching(world, sector), PATIENCE)
        assert (watched.polled.state, watched.held) == (OnChain.Landed, True)
        (message,) = Observer(world.server.config.data, world.clock).messages(sector)
        assert world.clock() >= message.landed_at
        assert world.server.holding.held == 0


async def test_the_wait_is_over(tmp_path: Path) -> None:
    """The shorter of what is asked for and what is set; what is answered then may be asked again at once."""
    async with going(tmp_path, landed_after=FAR) as (world, sector):
        watched = await asyncio.wait_for(watching(world, sector, 1), PATIENCE)
        assert (watched.polled.state, watched.held, watched.in_full) == (OnChain.Packed, True, True)
    async with going(tmp_path / "short", landed_after=FAR, hold_seconds=1) as (world, sector):
        assert (await asyncio.wait_for(watching(world, sector), PATIENCE)).in_full


async def test_what_is_decided_already_is_answered_at_once(world: World) -> None:
    """With word that it would have been held: the chain stands still here, and so would a hold."""
    sector = await world.allocated()
    none = await world.manager.watch_proof(sector, LONG)
    assert (none.polled.state, none.held, none.in_full) == (OnChain.NotFound, True, False)


async def test_who_is_not_to_be_held_is_not(tmp_path: Path) -> None:
    """By the setting, or because nobody asks for it: the answer says nothing of a preference."""
    async with going(tmp_path, landed_after=FAR, hold_seconds=0) as (world, sector):
        watched = await world.manager.watch_precommit(sector, LONG)
        assert (watched.polled.state in {OnChain.Pending, OnChain.Packed}, watched.held) == (True, False)
    async with going(tmp_path / "holding", landed_after=FAR) as (world, sector):
        body = {"jsonrpc": "2.0", "id": 1, "method": "Venus.PollPreCommitState", "params": [sector_json(sector)]}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{world.server.address}/rpc/v0", json=body)
        assert "result" in answer.json()
        assert "Preference-Applied" not in answer.headers


def sector_json(sector: SectorId) -> dict[str, int]:
    """Return a sector as it is on the wire."""
    return {"Miner": sector.miner, "Number": sector.number}


async def test_so_many_are_held_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next is answered at once, not held; when one ends because its caller leaves there is room again."""
    monkeypatch.setattr(hold, "AT_ONCE", 2)
    async with going(tmp_path, landed_after=FAR) as (world, sector):
        first, second = watching(world, sector), watching(world, sector)
        await holds(world, 2)
        assert not (await asyncio.wait_for(watching(world, sector), PATIENCE)).held
        first.cancel()
        await holds(world, 1)
        third = watching(world, sector)
        await holds(world, 2)
        for task in (second, third):
            task.cancel()
        await holds(world, 0)


async def test_a_stop_answers_those_that_are_held(tmp_path: Path) -> None:
    """At once: none is cut, which would be after some seconds; and it is not asked again at once."""
    async with going(tmp_path, landed_after=FAR) as (world, sector):
        tasks = [watching(world, sector) for _ in range(3)]
        await holds(world, 3)
        world.server.holding.end()
        answered = await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
        assert [(each.held, each.in_full) for each in answered] == [(True, False)] * 3
        assert not (await world.manager.watch_precommit(sector, LONG)).held


async def test_the_server_ends_its_holds_when_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it waits for its calls, of which it cuts those that last."""
    monkeypatch.setattr("sealing.jsonrpc.server.STOP_SECONDS", LONG)
    began = time.monotonic()
    async with going(tmp_path, landed_after=FAR) as (world, sector), Manager(world.server.address) as other:
        task = asyncio.create_task(other.watch_precommit(sector, LONG))
        await holds(world, 1)
        await world.server.__aexit__()
        assert (await task).held
        assert time.monotonic() - began < LONG


@pytest.mark.parametrize("state", ["Failed", "PermFailed"])
async def test_an_outcome_that_is_ordered_meanwhile_is_told(tmp_path: Path, state: Any) -> None:
    """With the next epoch, as the answer to the poll that is held."""
    async with going(tmp_path, landed_after=FAR) as (world, sector):
        task = watching(world, sector)
        await holds(world, 1)
        order(world, Outcome(message="precommit", state=state))
        assert (await asyncio.wait_for(task, PATIENCE)).polled.state.name == state


@pytest.mark.parametrize("fault", [Lost(method="PollPreCommitState"), Down(seconds=3600)], ids=["lost", "down"])
async def test_an_answer_is_lost_after_the_hold(tmp_path: Path, fault: Fault) -> None:
    """Also where that was ordered meanwhile; once, however often the message was looked at."""
    async with going(tmp_path, landed_after=FAR) as (world, sector):
        task = watching(world, sector)
        await holds(world, 1)
        order(world, fault)
        order(world, Outcome(message="precommit", state="Failed"))
        with pytest.raises(Outage):
            await asyncio.wait_for(task, PATIENCE)
        record, _ = Observer(world.server.config.data, world.clock).faults()
        assert len(record.uses) == 1


async def test_a_slow_call_is_slow_once_and_held_as_well(tmp_path: Path) -> None:
    """However often it is looked at the message meanwhile."""
    async with going(tmp_path, landed_after=FAR) as (world, sector):
        order(world, Slow(seconds=0.1, method="PollPreCommitState", times=5))
        watched = await asyncio.wait_for(watching(world, sector, 1), PATIENCE)
        assert (watched.held, watched.in_full) == (True, True)
        (record,) = Observer(world.server.config.data, world.clock).faults()
        assert record.times_left == 4
