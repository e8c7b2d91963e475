"""The development server: up when entered, gone when left, and clear about what went wrong."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from sealing.cache import ProgramMissingError
from workers.devserver import DevServer, DevServerError, pick_port

WAITS = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def script(path: Path, body: str) -> Path:
    """Write a program that stands for the ``temporal`` command."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def processes_of(folder: Path) -> list[str]:
    """Return the processes whose command line names a database in ``folder``."""
    database = str(folder / "temporal.db").encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if database in entry.read_bytes().split(b"\0"):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def test_a_free_port_is_kept() -> None:
    """A preferred port is taken when it is free, and only then."""
    port = pick_port(None)
    assert pick_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert pick_port(port) != port


@pytest.mark.server
async def test_the_server_runs_while_it_is_entered(tmp_path: Path) -> None:
    """It has the search attributes and keeps closed workflows for 90 days; left, no process of it stays."""
    attributes = {"SectorId": "Keyword", "Parked": "Bool"}
    async with DevServer(tmp_path, attributes, port=None, ui_port=None) as server:
        client = await Client.connect(server.address)
        listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
        assert processes_of(tmp_path) != []
        assert server.ui_url.startswith("http://127.0.0.1:")
        assert server.notes == []
    assert attributes.keys() <= listed.custom_attributes.keys()
    assert described.config.workflow_execution_retention_ttl.ToTimedelta().days == 90
    assert processes_of(tmp_path) == []


@pytest.mark.server
async def test_the_data_stays(tmp_path: Path) -> None:
    """A server that is started again on the same folder takes it up, attributes included."""
    for _ in range(2):
        async with DevServer(tmp_path, {"SectorId": "Keyword"}, port=None, headless=True) as server:
            assert server.ui_url == ""


@pytest.mark.server
async def test_taken_ports_are_replaced_and_told(tmp_path: Path) -> None:
    """Ports that others hold are no error."""
    with socket.create_server(("127.0.0.1", 0)) as held, socket.create_server(("127.0.0.1", 0)) as held_too:
        port, ui_port = held.getsockname()[1], held_too.getsockname()[1]
        async with DevServer(tmp_path, port=port, ui_port=ui_port) as server:
            taken = int(server.address.rpartition(":")[2])
            assert server.notes[0] == f"port {port} is taken: Temporal takes {taken}"
            assert server.notes[1].startswith(f"port {ui_port} is taken: its Web UI takes ")


async def test_a_server_that_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the log's end."""
    monkeypatch.setenv("SEALFLOW_TEMPORAL", str(script(tmp_path / "temporal", "echo the disk is full; exit 3")))
    with pytest.raises(Exception, match=r"(?s)ended with status 3.*the disk is full"):
        async with DevServer(tmp_path, port=None):
            pytest.fail("must not start")


async def test_a_server_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting ends, with the log's end, and nothing of it stays."""
    monkeypatch.setenv("SEALFLOW_TEMPORAL", str(script(tmp_path / "temporal", f"echo thinking; {WAITS}")))
    with pytest.raises(DevServerError, match=r"(?s)does not answer on 127.0.0.1:.* after 0 s.*thinking"):
        async with DevServer(tmp_path, port=None, within=0.3):
            pytest.fail("must not start")
    assert processes_of(tmp_path) == []


async def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing command says how to get it."""
    monkeypatch.delenv("SEALFLOW_TEMPORAL", raising=False)
    monkeypatch.setenv("SEALFLOW_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProgramMissingError, match="make setup"):
        async with DevServer(tmp_path):
            pytest.fail("must not start")


@pytest.mark.server
async def test_a_folder_has_one_server(tmp_path: Path) -> None:
    """A second server on the same database is refused: it would spoil it."""
    async with DevServer(tmp_path, port=None, headless=True):
        with pytest.raises(DevServerError, match="in use by another sealflow"):
            async with DevServer(tmp_path, port=None, headless=True):
                pytest.fail("must not start")


async def test_a_server_left_by_a_killed_run_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run left behind is ended before the database is opened again."""
    left = script(tmp_path / "left", WAITS)
    process = await asyncio.create_subprocess_exec(left, tmp_path / "temporal.db", start_new_session=True)
    (tmp_path / "temporal.pid").write_text(str(process.pid))
    monkeypatch.setenv("SEALFLOW_TEMPORAL", str(script(tmp_path / "temporal", "exit 3")))
    with pytest.raises(Exception, match="ended with status 3"):
        async with DevServer(tmp_path, port=None):
            pytest.fail("must not start")
    assert await process.wait() == -9


async def test_a_stranger_with_the_old_number_is_let_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process number that has passed on to another program ends nobody."""
    stranger = await asyncio.create_subprocess_exec(script(tmp_path / "stranger", WAITS), start_new_session=True)
    (tmp_path / "temporal.pid").write_text(str(stranger.pid))
    monkeypatch.setenv("SEALFLOW_TEMPORAL", str(script(tmp_path / "temporal", "exit 3")))
    with pytest.raises(Exception, match="ended with status 3"):
        async with DevServer(tmp_path, port=None):
            pytest.fail("must not start")
    assert stranger.returncode is None
    stranger.terminate()
    await stranger.wait()
