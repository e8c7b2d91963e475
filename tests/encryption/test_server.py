"""The codec server: who may ask it what, and that Temporal's own clients show plain text with it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from temporalio.client import Client

from sealing.cache import find_temporal
from sealing.jsonrpc.server import JsonRpcServer
from sealing.keyring import Keyring, new_line, read_keys
from tests.clients.programs import Terminal
from tests.encryption.files import key_file
from tests.encryption.fleet import encrypted_plant
from tests.needs import need_tctl
from tests.world.plant import working
from workers.cli import cli
from workers.encryption.server import codec_application

UI = "http://127.0.0.1:8080"
PLAIN = {"metadata": {"encoding": base64.b64encode(b"json/plain").decode()}, "data": base64.b64encode(b'"x"').decode()}


@asynccontextmanager
async def serving_codec(keys: Keyring, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Run a codec server, and give a client of it."""
    async with (
        JsonRpcServer(codec_application(keys, "default", [UI], token), "127.0.0.1", 0) as server,
        httpx.AsyncClient(base_url=server.address) as client,
    ):
        yield client


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    """Return keys."""
    return read_keys(key_file(tmp_path, new_line("mine")))


async def test_what_is_encoded_is_decoded(keys: Keyring) -> None:
    """Payloads go out and come back by Temporal's protocol, plain ones pass."""
    async with serving_codec(keys) as client:
        encoded = (await client.post("/encode", json={"payloads": [PLAIN, PLAIN]})).json()
        assert base64.b64decode(encoded["payloads"][0]["metadata"]["encryption-key-id"]) == b"mine"
        assert encoded["payloads"][0] != encoded["payloads"][1]
        decoded = (await client.post("/decode", json={"payloads": [*encoded["payloads"], PLAIN]})).json()
        assert decoded == {"payloads": [PLAIN] * 3}


async def test_a_page_may_ask_that_is_allowed_and_no_other(keys: Keyring) -> None:
    """A browser's question beforehand is answered for the Web UI alone, and another page gets nothing."""
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-namespace,content-type"}
    async with serving_codec(keys, "secret") as client:
        allowed = await client.options("/decode", headers={"Origin": UI, **asking})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, UI)
        refused = await client.options("/decode", headers={"Origin": "http://evil.example", **asking})
        assert "access-control-allow-origin" not in refused.headers
    async with serving_codec(keys) as client:
        answered = await client.post("/decode", json={"payloads": []}, headers={"Origin": UI})
        assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (200, UI)
        refused = await client.post("/decode", json={"payloads": []}, headers={"Origin": "http://evil.example"})
        assert refused.status_code == 403
        assert "--allow-origin http://evil.example" in refused.text


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"content": b"no json"}, 400, "write {"),
    ({"content": b"[" * 100_000}, 400, "write {"),
    ({"json": {"payloads": [{"data": 5}]}}, 400, "write {"),
    ({"json": {"payloads": []}, "headers": {"X-Namespace": "other"}}, 404, "those of namespace 'default'"),
    ({"content": b"x" * ((16 << 20) + 1)}, 413, "larger than"),
)


async def test_what_cannot_be_answered_is_refused_with_the_reason(keys: Keyring) -> None:
    """Nonsense, another namespace, too much, a key that is not there; and whoever bears no token, where one is set."""
    other = Keyring({"other": bytes(32)})
    async with serving_codec(keys) as client, serving_codec(other, "secret") as guarded:
        for asked, status, why in REFUSED:
            answer = await client.post("/decode", **asked)
            assert (answer.status_code, why in answer.text) == (status, True), answer.text
        assert (await guarded.post("/encode", json={"payloads": [PLAIN]})).status_code == 401
        bearing = {"Authorization": "Bearer secret", "X-Namespace": "default"}
        encoded = await guarded.post("/encode", json={"payloads": [PLAIN]}, headers=bearing)
        unknown = await client.post("/decode", json=encoded.json())
        assert (unknown.status_code, "the key 'other', and there is only mine here" in unknown.text) == (400, True)


def test_it_is_not_served_without_keys_or_to_others_without_a_token(tmp_path: Path) -> None:
    """The command says what is missing."""
    file = str(key_file(tmp_path, new_line("mine")))
    said = CliRunner().invoke(cli, ["codec", "serve"], env={"SEALFLOW_PAYLOAD_KEY_FILE": None})
    assert (said.exit_code, "set [temporal] payload_key_file" in said.output) == (1, True)
    words = ["codec", "serve", "--listen", "0.0.0.0:8081"]
    said = CliRunner().invoke(cli, words, env={"SEALFLOW_PAYLOAD_KEY_FILE": file})
    assert (said.exit_code, "by --token-file, or listen on 127.0.0.1" in said.output) == (1, True)


@pytest.mark.server
async def test_the_command_line_of_temporal_shows_plain_text(temporal: Client, tmp_path: Path) -> None:
    """With the codec server's address: a history, a query, and an order that is encrypted on its way."""
    terminal = Terminal(temporal.service_client.config.target_host, tmp_path, find_temporal(), need_tctl())
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": "the disk has a scratch", "times": 3})
        async with working(built), serving_codec(read_keys(tmp_path / "keys")) as client:
            await built.parked()
            of, codec = ("-w", built.sector().id), ("--codec-endpoint", str(client.base_url).rstrip("/"))
            hidden, shown, status = await asyncio.gather(
                terminal.type(terminal.temporal, "workflow", "show", *of, "--output", "json"),
                terminal.type(terminal.temporal, "workflow", "show", *of, "--output", "json", *codec),
                terminal.type(terminal.temporal, "workflow", "query", *of, "--type", "status", *codec),
            )
            location = str(built.config.sealing_thread[0].location)
            assert [location in _data(printed) for printed in (hidden, shown)] == [False, True]
            assert "the disk has a scratch" in _data(shown)
            assert "the disk has a scratch" in status
            ordered = ("workflow", "signal", *of, "--name", "resume", "--input", '"TreeDBuilt"', *codec)
            await terminal.type(terminal.temporal, *ordered)
            await built.finished()
            assert built.reported().count("TreeDBuilt") == 2


def _data(printed: str) -> str:
    """Return what the payloads of a printed history hold."""
    found = re.findall(r'"data": "([^"]*)"', printed)
    return "\n".join(base64.b64decode(each).decode(errors="replace") for each in found)
