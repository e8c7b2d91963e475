"""Restarts and kills: what was answered stays."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from sealing.devnet.queries import Observer
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import SimulatedVerifier
from sealing.failures import Outage
from sealing.manager.client import Manager, StateReport
from sealing.manager.wire import OnChain, SubmitRes
from sealing.values import SectorId
from tests.devnet.world import COMM_D, COMM_R, StillClock, config_for, running

PROGRAM = """
import sys
from pathlib import Path
from sealing.devnet.config import DevnetConfig
from sealing.devnet.server import run_devnet
from sealing.devnet.verifier import SimulatedVerifier
config = DevnetConfig(data=Path(sys.argv[1]), port=0, epoch_seconds=0.05, seed_delay=1)
run_devnet(config, SimulatedVerifier(), lambda address: print(address, flush=True))
"""


async def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    """Sectors, messages, keys, the chain's randomness and its time go on after a restart."""
    clock, config = StillClock(), config_for(tmp_path)
    async with running(config, clock) as world:
        given = await world.manager.allocate_sector([], [], request="key")
        assert given is not None
        ticket = await world.manager.assign_ticket(given.id)
        await world.precommit(given.id, ticket)
        head = world.server.chain.head()
    world.pass_epochs(5)
    async with running(config, clock) as world:
        assert world.server.chain.head() == head + 5
        assert world.server.chain.ticket_at(ticket.epoch) == ticket.ticket
        assert await world.manager.allocate_sector([], [], request="key") == given
        assert (await world.manager.poll_precommit(given.id)).state is OnChain.Landed
        assert (await world.precommit(given.id, ticket)).res is SubmitRes.DuplicateSubmit
    (record,) = Observer(tmp_path, clock).sectors()
    assert record.id == given.id


async def test_a_chain_keeps_its_pace(tmp_path: Path) -> None:
    """Another epoch length on the same data would make the chain jump, and is refused."""
    async with running(config_for(tmp_path)):
        pass
    with pytest.raises(ValueError, match="name another data folder"):
        async with running(config_for(tmp_path, epoch_seconds=1)):
            pass


async def test_a_data_folder_has_one_manager(tmp_path: Path) -> None:
    """A second one on the same folder stops with what to do, and the first goes on."""
    async with running(config_for(tmp_path)) as world:
        with pytest.raises(OSError, match="in use by another embedded manager"):
            async with running(config_for(tmp_path)):
                pass
        await world.allocated()


async def test_a_broken_database_is_said(tmp_path: Path) -> None:
    """A file that is no database is named, with what to do; it is not overwritten."""
    (tmp_path / "devnet.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Exception, match="move it away"):
        async with running(config_for(tmp_path)):
            pass
    assert (tmp_path / "devnet.sqlite").read_bytes().startswith(b"not a database")


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """A port that is taken is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = config_for(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="choose another port"):
            async with DevnetServer(config, SimulatedVerifier()):
                pass


async def start(data: Path) -> tuple[asyncio.subprocess.Process, str]:
    """Run an embedded manager in a process of its own; return its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(data), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def test_a_process_of_its_own_stops_gracefully(tmp_path: Path) -> None:
    """SIGTERM ends the process with status 0, also with a connection open."""
    process, address = await start(tmp_path)
    async with Manager(address) as manager:
        await manager.allocate_sector([], [])
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert len(Observer(tmp_path).sectors()) == 1


async def test_kill_minus_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """Killed in the middle of calls again and again, it still has all that it answered, each once."""
    answered: list[SectorId] = []
    for number in range(4):
        process, address = await start(tmp_path)
        asyncio.get_running_loop().call_later(0.15 + 0.07 * number, os.kill, process.pid, signal.SIGKILL)
        async with Manager(address) as manager:
            with pytest.raises(Outage):  # noqa: PT012 - it comes anywhere in the loop
                while True:
                    given = await manager.allocate_sector([], [], request=f"{number} {len(answered)}")
                    assert given is not None
                    ticket = await manager.assign_ticket(given.id)
                    sent = await manager.submit_precommit(given.id, 5, COMM_R, COMM_D, ticket, reset=False)
                    assert sent.res is SubmitRes.Accepted
                    await manager.report_state(given.id, StateReport(
                        worker="w", location="/l", prev="PC2Done", next="PCSubmitted", event="SubmitPC"))  # fmt: skip
                    answered.append(given.id)
        await process.wait()
    assert answered
    observer = Observer(tmp_path)
    records = {record.id: record for record in observer.sectors()}
    assert len(records) <= len(answered) + 4
    for sector in answered:
        assert records[sector].state == "PCSubmitted"
        assert [message.kind for message in observer.messages(sector)] == ["precommit"]
