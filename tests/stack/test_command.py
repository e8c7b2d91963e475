"""The command: all up, where it is, down again with nothing left, and taken up where it was."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.stack.command import stack
from deploy.stack.ports import Ports, PortsTakenError
from deploy.stack.postgres import Postgres
from deploy.stack.programs import POSTGRES_USER, postgres_programs
from deploy.stack.stack import Stack
from sealing.cache import ProgramMissingError
from sealing.devnet.deals import add_deal
from sealing.flow.state import State
from tests.workers.test_demo import processes_of
from workers.embedded import read_config
from workers.watch import SectorView, look

PATIENCE = 120.0
SLOW_PC1 = '{"pc1": {"seconds": 5}}'


@asynccontextmanager
async def command(folder: Path, ports: Ports, sign: signal.Signals, *arguments: str) -> AsyncIterator[dict[str, str]]:
    """Run the stack with the simulated processor, and give the addresses that it prints; ``sign`` ends it."""
    chosen = [f"--port={name}={number}" for name, number in asdict(ports).items()]
    wanted = ["--folder", str(folder), "--processor", "simulated", *chosen, *arguments]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.stack", *wanted),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "SEALFLOW_SIMULATED": str(folder.parent / "simulated.json")},
    )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.send_signal(sign)
        await process.communicate()


async def seen(address: str, condition: Callable[[SectorView], bool], what: str) -> SectorView:
    """Wait for a sector's task that is such, and return how it stands."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    give_up = time.monotonic() + PATIENCE
    while True:
        for view in await look(client):
            if condition(view):
                return view
        assert time.monotonic() < give_up, f"waited {PATIENCE:.0f} s for {what}"
        await asyncio.sleep(0.2)


async def nothing_left(folder: Path) -> None:
    """Wait until no process has to do with a folder."""
    give_up = time.monotonic() + PATIENCE
    while left := processes_of(folder):
        assert time.monotonic() < give_up, left
        await asyncio.sleep(0.2)


@pytest.mark.server
@pytest.mark.timeout(300)
async def test_the_stack_is_ended_and_goes_on(open_folder: Path) -> None:
    """Ctrl-C in the middle of PC1 leaves only that computation; the same task then finishes, its sector is upgraded.

    Killed by -9 the stack leaves nothing either.
    """
    folder, ports = open_folder / "command" / "stack", Ports.free()
    folder.mkdir(parents=True)
    (folder.parent / "simulated.json").write_text(SLOW_PC1)
    async with command(folder, ports, signal.SIGINT, "--sectors", "1") as addresses:
        assert addresses["temporal"] == f"127.0.0.1:{ports.temporal}"
        begun = await seen(addresses["temporal"], lambda view: view.state == State.TicketAssigned, "PC1")
    assert [line for line in processes_of(folder) if "simulated.py pc1" not in line] == []

    async with command(folder, ports, signal.SIGKILL, "--sectors", "1") as addresses:
        done = await seen(addresses["temporal"], lambda view: view.state == State.Finished, "the end of the sector")
        assert (done.workflow_id, done.run_id) == (begun.workflow_id, begun.run_id)
        (folder / "data").write_bytes(b"a client's data")
        add_deal(read_config(folder / "machine" / "devnet.json"), folder / "data")
        await seen(addresses["temporal"], lambda view: view.is_upgrade and view.state == State.Finished, "the upgrade")
        async with httpx.AsyncClient() as http:
            counted = (await http.get(f"http://127.0.0.1:{ports.worker_metrics}/metrics")).text
            served = (await http.get(addresses["temporal_metrics"])).text
        assert "sealflow_build_info{" in counted
        assert "service_requests" in served
    await nothing_left(folder)


async def test_taken_ports_are_told_before_anything_starts(tmp_path: Path) -> None:
    """Which they are, what for, and what to set."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = held.getsockname()[1]
        ports = Ports(**{**asdict(Ports.free()), "prometheus": taken})
        with pytest.raises(PortsTakenError) as told:
            async with Stack(tmp_path / "stack", ports, work=None):
                pytest.fail("must not start")
    assert str(told.value) == (
        f"ports are taken: {taken} (prometheus); end what holds them, or choose others: --port prometheus=NUMBER"
    )
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("wrong", ["prometheus", "grafana=3000", "prometheus=0", "prometheus=many"])
def test_a_wrong_port_is_refused_with_the_names_that_there_are(wrong: str) -> None:
    """Neither a name without a number nor a number that is no port is taken."""
    done = CliRunner().invoke(stack, ["--port", wrong])
    assert done.exit_code == 2
    assert "NAME=NUMBER" in done.output
    assert "worker_metrics" in done.output


@pytest.mark.skipif("os.geteuid() != 0", reason="needs root: else PostgreSQL runs as oneself")
async def test_a_folder_that_postgres_cannot_reach_is_told(tmp_path: Path) -> None:
    """With what to do about it, and before there is a database."""
    database = Postgres(tmp_path / "postgres", tmp_path / "log", Ports.free().postgres)
    with pytest.raises(Exception, match=rf"the user {POSTGRES_USER}.*cannot reach {database.folder}.*--folder"):
        await database.start()
    assert not database.data.exists()


def test_the_newest_postgres_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, not by text; where there is none the command to get it is told."""
    for version in ("9.6", "15", "100"):
        folder = tmp_path / "usr/lib/postgresql" / version / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
    assert postgres_programs(tmp_path).parent.name == "100"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProgramMissingError, match="make setup-system"):
        postgres_programs(tmp_path / "elsewhere")
