"""A question that may be held, asked of managers that hold it, that do not, and that only say so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sealing.manager import client
from sealing.manager.client import Manager, Watched
from sealing.manager.wire import OnChain, Polled
from sealing.metrics.counting import REGISTRY
from tests.manager.test_bad_manager import SECTOR
from tests.world.proxy import served

METHOD = "Venus.PollProofState"
PENDING = {"State": OnChain.Pending.value, "Desc": None}


class Held:
    """A manager that answers after some seconds, with a header, and remembers what it was asked to do."""

    def __init__(self, says: str | None, seconds: float) -> None:
        """Take what it says of the preference, and after how long it answers."""
        self.says, self.seconds = says, seconds
        self.preferred: list[str | None] = []

    async def answer(self, request: Request) -> Response:
        """Answer."""
        self.preferred.append(request.headers.get("Prefer"))
        number = json.loads(await request.body())["id"]
        await asyncio.sleep(self.seconds)
        headers = {} if self.says is None else {"Preference-Applied": self.says}
        return JSONResponse({"jsonrpc": "2.0", "id": number, "result": PENDING}, headers=headers)


@asynccontextmanager
async def asked(says: str | None, seconds: float = 0.0, limit: float = 30.0) -> AsyncIterator[tuple[Held, Manager]]:
    """Run a manager and its client."""
    held = Held(says, seconds)
    async with (
        served(Route("/rpc/v0", held.answer, methods=["POST"])) as address,
        Manager(address, timeout=limit) as manager,
    ):
        yield held, manager


@pytest.mark.parametrize("says", [None, "respond-async", "wait=0", "wait=junk"])
async def test_a_manager_that_does_not_know_the_header_holds_nothing(says: str | None) -> None:
    """However slow it is."""
    async with asked(says, 1.0) as (manager, ours):
        watched = await ours.watch_proof(SECTOR, 1)
    assert watched == Watched(polled=Polled(state=OnChain.Pending, desc=None))
    assert manager.preferred == ["wait=1"]


@pytest.mark.parametrize("says", ["wait=1", "wait=3600"])
async def test_what_was_held_in_full_may_be_asked_again_at_once(says: str) -> None:
    """For as long as was asked for: a manager that says that it holds a question for longer did not."""
    async with asked(says, 1.0) as (_, ours):
        watched = await ours.watch_proof(SECTOR, 1)
    assert (watched.held, watched.in_full) == (True, True)


async def test_who_says_that_it_holds_and_does_not_is_not_believed() -> None:
    """The answer came sooner: to ask again at once would be to ask without end."""
    async with asked("wait=60") as (_, ours):
        watched = await ours.watch_proof(SECTOR, 60)
    assert (watched.held, watched.in_full) == (True, False)


async def test_a_held_call_has_its_time_beside_the_usual_limit() -> None:
    """A call is given up after that limit, one that may be held for a second only after a second more."""
    async with asked("wait=1", 1.0, limit=0.5) as (_, ours):
        assert (await ours.watch_proof(SECTOR, 1)).held


async def test_a_worker_has_only_so_many_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a place from other steps: the next question is one that is not to be held."""
    monkeypatch.setattr(client, "HELD_AT_MOST", 2)
    async with asked("wait=1", 0.3) as (manager, ours):
        await asyncio.gather(*(ours.watch_proof(SECTOR, 1) for _ in range(3)))
        await ours.watch_proof(SECTOR, 1)
    assert sorted(map(str, manager.preferred[:3])) == ["None", "wait=1", "wait=1"]
    assert manager.preferred[3] == "wait=1"


async def test_other_polls_are_never_held() -> None:
    """A step that only looks says nothing of a wait."""
    async with asked("wait=1") as (manager, ours):
        await ours.poll_proof(SECTOR)
        await ours.poll_precommit(SECTOR)
    assert manager.preferred == [None, None]


@pytest.mark.parametrize(
    ("says", "grows"), [("wait=1", "sealflow_rpc_held_total"), (None, "sealflow_rpc_seconds_count")]
)
async def test_held_calls_are_counted_apart(says: str | None, grows: str) -> None:
    """How long they take tells nothing of how quick the manager is."""

    def count() -> dict[str, float]:
        names = ("sealflow_rpc_held_total", "sealflow_rpc_seconds_count")
        return {name: REGISTRY.get_sample_value(name, {"method": METHOD}) or 0.0 for name in names}

    before = count()
    async with asked(says) as (_, ours):
        await ours.watch_proof(SECTOR, 1)
    assert {name: value - before[name] for name, value in count().items() if value != before[name]} == {grows: 1}
