"""Who may command a worker's threads by its JSON-RPC, from this machine and as if from another."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from sealing.addresses import network
from sealing.config import Config, load, read
from sealing.jsonrpc.access import Access
from sealing.sector import thread_id
from sealing.tokens import TokenError
from tests.encryption.fleet import kept
from tests.world.addresses import EVERYWHERE, own_address
from tests.world.plant import Plant, plant, working
from workers.assembly import serving
from workers.connection import StartError
from workers.presence.callers import callers

TOKEN = "correct-horse-battery"  # noqa: S105 - the tests' own
VERSION = {"jsonrpc": "2.0", "id": 1, "method": "VenusWorker.WorkerVersion", "params": []}
HEADER = f'rpc_client.headers = {{{{ Authorization = "Bearer {TOKEN}" }}}}'
"""Where the token stands in the worker's file itself, as with the other worker."""
BEYOND = f'rpc_server.host = "{EVERYWHERE}"\n'


def written(folder: Path, worker: str, manager: str = "http://127.0.0.1:1789") -> Path:
    """Write a worker's file."""
    (folder / "thread").mkdir(exist_ok=True)
    file = folder / "worker.toml"
    file.write_text(
        f'[worker]\nname = "w"\n{worker}\n[sector_manager]\nrpc_client.addr = "{manager}"\n'
        f'[[sealing_thread]]\nlocation = "{folder}/thread"\n'
    )
    return file


def of(folder: Path, worker: str, manager: str = "http://127.0.0.1:1789") -> Config:
    """Return a worker's configuration."""
    return load(written(folder, worker, manager))


async def test_the_other_worker_s_file_starts_and_answers_its_manager_alone(tmp_path: Path) -> None:
    """A host beyond this machine and no word of who may call: the manager's address, which its operators call from."""
    reading = read(written(tmp_path, BEYOND, "http://192.0.2.7:1789"), strict=True)
    assert reading.config is not None
    assert reading.problems == ()
    (note,) = reading.notes
    assert (note.key, note.line) == ("worker.rpc_server.host", 3)
    assert "only the manager's own address is answered there" in note.why
    assert await callers(reading.config) == Access(None, (network("192.0.2.7/32"),))
    by_name = await callers(of(tmp_path, BEYOND, "http://localhost:1789"))
    assert by_name.networks
    assert all(each.is_loopback for each in by_name.networks)


async def test_a_manager_without_an_address_is_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The worker starts, answers this machine alone, and says what to do."""
    access = await callers(of(tmp_path, BEYOND, "http://manager.invalid:1789"))
    assert access.networks == ()
    assert "name its addresses in [worker.rpc_server] allowed_addresses" in caplog.text


async def test_what_the_file_says_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list, a token of a file or of the environment, and both; the loopback needs neither."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    by_file = f'rpc_server.token_file = "{tmp_path}/token"\n'
    assert await callers(of(tmp_path, "")) == Access()
    assert await callers(of(tmp_path, by_file)) == Access(TOKEN)
    assert await callers(of(tmp_path, BEYOND + by_file)) == Access(TOKEN)
    listed = 'rpc_server.allowed_addresses = ["10.0.0.5", "fd00::/8"]\n'
    networks = (network("10.0.0.5"), network("fd00::/8"))
    assert await callers(of(tmp_path, BEYOND + listed)) == Access(None, networks)
    assert await callers(of(tmp_path, BEYOND + listed + by_file)) == Access(TOKEN, networks)
    monkeypatch.setenv("WORKER_TOKEN", TOKEN)
    config = of(tmp_path, BEYOND + 'rpc_server.token_env = "WORKER_TOKEN"\n')
    assert await callers(config) == Access(TOKEN)
    assert "WORKER_TOKEN" not in os.environ, "no processor is given it"
    with pytest.raises(TokenError, match="the environment variable WORKER_TOKEN holds no token; set it where"):
        await callers(config)


@asynccontextmanager
async def worker(built: Plant) -> AsyncIterator[int]:
    """Run the plant's worker, and give its port, found by its sign of life."""
    async with working(built):
        await built.until(built.observer.workers, "a sign of life")
        (record,) = built.observer.workers()
        yield int(record.ping.dest.rpartition(":")[2])


async def status(host: str, port: int, **headers: str) -> int:
    """Call the worker."""
    async with httpx.AsyncClient() as http:
        return (await http.post(f"http://{host}:{port}/", json=VERSION, headers=headers)).status_code


@pytest.mark.server
async def test_a_worker_beyond_the_loopback(temporal: Client, tmp_path: Path) -> None:
    """Another machine is refused where nothing is said, let in by the list, and by the token."""
    other = own_address()
    async with plant(temporal, tmp_path / "a", sectors=0, worker=BEYOND) as built, worker(built) as port:
        assert [await status(host, port) for host in ("127.0.0.1", other)] == [200, 403]
    listed = BEYOND + f'rpc_server.allowed_addresses = ["{other}"]'
    async with plant(temporal, tmp_path / "b", sectors=0, worker=listed) as built, worker(built) as port:
        assert [await status(host, port) for host in ("127.0.0.1", other)] == [200, 200]
    (tmp_path / "token").write_text(TOKEN)
    borne = BEYOND + f'rpc_server.token_file = "{tmp_path}/token"'
    async with plant(temporal, tmp_path / "c", sectors=0, worker=borne) as built, worker(built) as port:
        assert [await status(host, port) for host in ("127.0.0.1", other)] == [401, 401]
        assert await status(other, port, Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.server
async def test_a_worker_does_not_start_without_its_token(temporal: Client, tmp_path: Path) -> None:
    """It says where it looked."""
    async with plant(temporal, tmp_path, sectors=0, worker=BEYOND + 'rpc_server.token_env = "NOT_SET"') as built:
        with pytest.raises(StartError, match=r"\[worker.rpc_server\]: the environment variable NOT_SET holds no token"):
            async with serving(built.config, built.client):
                pass


@pytest.mark.server
@pytest.mark.parametrize("bears", ['token_file = "{file}"', HEADER], ids=["token_file", "headers"])
async def test_the_tokens_are_written_nowhere(
    temporal: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, bears: str
) -> None:
    """Neither the manager's nor the worker's: not in a history, a log, a report, a job or any other file."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("WORKER_TOKEN", f"{TOKEN}-worker")
    own = BEYOND + 'rpc_server.token_env = "WORKER_TOKEN"'
    async with plant(temporal, tmp_path / "plant", worker=own, token_file=file) as built:
        _say(built.file, bears.format(file=file))
        built.simulate(pc2={"fail": "broken", "times": 3})
        with caplog.at_level("DEBUG"):
            async with worker(built) as port:
                await built.parked()
                assert await status("127.0.0.1", port, Authorization=f"Bearer {TOKEN}-nearly") == 401
                await built.sector().signal("resume")
                await built.finished()
        (thread,) = built.config.sealing_thread
        histories = await kept(built, built.sector().id, thread_id(built.config.worker.name, thread.location))
        held = {path for path in built.folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()}
        found = held - ({built.file} if bears == HEADER else set())
        assert (found, TOKEN.encode() in histories, TOKEN in caplog.text) == (set(), False, False)
        assert TOKEN not in repr(built.config) + json.dumps(repr(built.devnet.config))


def _say(file: Path, more: str) -> None:
    """Add to what a worker's file says of its manager."""
    file.write_text(file.read_text().replace("[sealing]", f"{more}\n[sealing]", 1))
