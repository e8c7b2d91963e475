"""``VenusWorker.*``: what the manager's own tool does to a worker, over HTTP; and the worker's signs of life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.flow.state import State
from sealing.manager.wire import PingSummary
from tests.world.plant import Plant, plant, working
from workers.presence.ping import reachable_host

pytestmark = pytest.mark.server

VERSION = f"sealflow {version('sealflow')}"


class Worker:
    """The worker's service as its HTTP client sees it."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        """Take the client and the address."""
        self._http, self._url = http, url

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        """Call a method and return the whole answer."""
        wanted = {"jsonrpc": "2.0", "id": 7, "method": f"VenusWorker.{method}", "params": params}
        answer: dict[str, Any] = (await self._http.post(self._url, json=wanted)).json()
        return answer

    async def result(self, method: str, *params: Any) -> Any:
        """Call a method and return its result."""
        return (await self.ask(method, *params))["result"]

    async def error(self, method: str, *params: Any) -> str:
        """Call a method and return the error's message."""
        return str((await self.ask(method, *params))["error"]["message"])


@asynccontextmanager
async def worker_of(built: Plant) -> AsyncIterator[Worker]:
    """Give the plant's worker, found as the manager finds it: by its sign of life."""
    await built.until(built.observer.workers, "a sign of life")
    (record,) = built.observer.workers()
    async with httpx.AsyncClient() as http:
        yield Worker(http, f"http://{record.ping.dest}/")


async def test_a_thread_is_listed_paused_and_resumed(temporal: Client, tmp_path: Path) -> None:
    """WorkerList in the wire's names and states, WorkerPause and WorkerResume of a running sector, at each step."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built), worker_of(built) as worker:
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            (thread,) = await worker.result("WorkerList")
            assert isinstance(thread["thread_state"].pop("elapsed"), int)
            assert thread == {
                "location": str(built.folder / "threads" / "0"),
                "plan": "sealer",
                "job_id": str(built.id()),
                "index": 0,
                "thread_state": {"state": "Running", "proc": "pc1"},
                "job_state": "TicketAssigned",
                "job_stage": "pc1",
                "last_error": None,
            }
            assert await worker.result("WorkerResume", 0, None) is False, "it is not paused"
            assert await worker.result("WorkerPause", 0) is True
            assert await worker.result("WorkerPause", 0) is False, "it is paused already"
            assert (await built.status()).halted
            (thread,) = await worker.result("WorkerList")
            assert thread["thread_state"]["state"] == "Paused"
            assert await worker.result("WorkerResume", 0, None) is True
            assert not (await built.status()).halted


async def test_the_seeds_examples_through_the_manager(temporal: Client, tmp_path: Path) -> None:
    """A parked sector is resumed to an earlier state, and another to Abort; a wrong state is an error and harms not."""
    async with plant(temporal, tmp_path, sectors=2, threads=2) as built:
        built.simulate(pc2={"fail": "broken", "times": 6})
        async with working(built), worker_of(built) as worker:
            parked = [await built.parked(number) for number in (1, 2)]
            by_location = {row["location"]: row for row in await worker.result("WorkerList")}
            rows = [by_location[status.sector.home.location] for status in parked]
            assert [row["job_state"] for row in rows] == ["PC1Done", "PC1Done"]
            assert all("pc2 failed: broken" in row["last_error"] for row in rows)
            first, second = (row["index"] for row in rows)
            assert "there is no state 'Nowhere'; possible now: " in await worker.error("WorkerResume", first, "Nowhere")
            assert "C1Done needs" in await worker.error("WorkerResume", first, "C1Done")
            assert (await built.status(1)).state is State.PC1Done
            assert await worker.result("WorkerResume", first, "TreeDBuilt") is True
            assert await worker.result("WorkerResume", second, "Abort") is True
            await built.finished(1)
            with pytest.raises(WorkflowFailureError):
                await built.finished(2)


async def test_what_is_wrong_gets_an_error(temporal: Client, tmp_path: Path) -> None:
    """Wrong indexes and parameters, unknown methods, and what would change the worker's own process."""
    async with plant(temporal, tmp_path, sectors=0) as built, working(built), worker_of(built) as worker:
        assert await worker.result("WorkerVersion") == VERSION
        assert "there is no thread 5; this worker has 1" in await worker.error("WorkerPause", 5)
        assert "there is no thread 5; this worker has 1" in await worker.error("WorkerResume", 5, None)
        assert "params[0]" in await worker.error("WorkerPause", -1)
        assert "params[0]" in await worker.error("WorkerPause", "0")
        assert "wrong param count" in await worker.error("WorkerResume", 0)
        assert "not found" in await worker.error("WorkerStop")
        for method, params in (("WorkerSetEnv", ("PATH", "/tmp")), ("WorkerRemoveEnv", ("PATH",))):  # noqa: S108
            assert "does not change its environment" in await worker.error(method, *params)


async def test_an_idle_thread_is_idle_and_can_be_paused(temporal: Client, tmp_path: Path) -> None:
    """A thread without a sector is Idle; paused it is Paused, and true is answered."""
    async with plant(temporal, tmp_path, sectors=0) as built, working(built), worker_of(built) as worker:
        await built.until(lambda: built.proxy.count("Venus.AllocateSector") >= 1, "the thread to ask")
        (thread,) = await worker.result("WorkerList")
        assert (thread["thread_state"], thread["job_id"]) == ({"state": "Idle"}, None)
        assert await worker.result("WorkerPause", 0) is True
        assert (await worker.result("WorkerList"))[0]["thread_state"]["state"] == "Paused"
        assert await worker.result("WorkerResume", 0, None) is True


async def test_signs_of_life_have_true_counts(temporal: Client, tmp_path: Path) -> None:
    """One of two threads has no sector; the other's stands still by a failure, and waits for the chain when resumed."""
    async with plant(temporal, tmp_path, threads=2, seed_delay=100_000) as built:
        built.simulate(pc2={"fail": "broken", "times": 3})

        async def told(wanted: PingSummary) -> None:
            def so() -> bool:
                return [record.ping.summary for record in built.observer.workers()] == [wanted]

            await built.until(so, f"{wanted} to be told")

        async with working(built):
            await told(PingSummary(threads=2, empty=1, paused=1, errors=1))
            await built.sector().signal("resume")
            await told(PingSummary(threads=2, empty=1, waiting=1))
            (record,) = built.observer.workers()
            assert (record.ping.name, record.ping.version) == (built.config.worker.name, VERSION)


@pytest.mark.parametrize(
    ("host", "manager", "expected", "warned"),
    [
        ("127.0.0.1", "http://127.0.0.1:1789", "127.0.0.1", False),
        ("127.0.0.1", "http://192.0.2.7:1789", "127.0.0.1", True),
        ("192.0.2.9", "http://192.0.2.7:1789", "192.0.2.9", False),
        ("0.0.0.0", "http://127.0.0.1:1789", "127.0.0.1", False),  # noqa: S104 - compared, not listened on
        ("::1", "http://[::1]:1789", "[::1]", False),
    ],
)
def test_the_manager_is_told_where_it_can_call(
    host: str, manager: str, expected: str, *, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The address by which the manager reaches the worker; where it cannot, the start warns."""
    assert reachable_host(host, manager) == expected
    assert ("cannot reach" in caplog.text) is warned
