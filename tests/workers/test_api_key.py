"""The key for Temporal's API: a server that wants it gets it with every call, and nobody else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.stack.namespace import make_namespace
from deploy.stack.programs import find_built
from sealing.cache import ProgramMissingError
from sealing.config import Temporal
from sealing.sector import thread_id
from tests.encryption.fleet import kept
from tests.needs import missing
from tests.world.keyed_server import KeyedServer, keyed_server
from tests.world.plant import plant, working
from workers.connection import StartError, connect, ensure_attributes, secrets_of
from workers.doctor.server import Server

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _built() -> None:
    """Need the server's program."""
    try:
        find_built("temporal-server")
    except ProgramMissingError as error:
        missing(str(error), "make setup")


def settings(server: KeyedServer, **more: Path) -> Temporal:
    """Return the settings of a connection."""
    return Temporal.model_validate({"address": server.address, "tls_ca_file": server.authority.file, **more})


async def test_a_sector_is_sealed_with_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server checks it with each call; it is in no log, history, description, file, and no text that shows ours."""
    async with keyed_server(tmp_path / "server") as (server, signer):
        client = await server.connect()
        await make_namespace(client)
        file, key = tmp_path / "key", signer.key("temporal-system:admin", "default:worker")
        file.write_text(f"{key}\n")
        fleet = f'tls_ca_file = "{server.authority.file}"\napi_key_file = "{file}"'
        async with plant(client, tmp_path / "plant", fleet=fleet) as built:
            temporal = built.config.temporal
            with caplog.at_level("DEBUG"):
                built.client = await connect(temporal, 0)
                async with working(built):
                    assert (await built.finished()).comm_r
                    told = await Server(temporal).reachable()
            (thread,) = built.config.sealing_thread
            histories = await kept(built, built.sector().id, thread_id(built.config.worker.name, thread.location))
            found = [path for path in built.folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
            assert (found, key.encode() in histories, key in caplog.text) == ([], False, False)
            assert key not in repr((built.config, secrets_of(temporal), told))


async def test_a_worker_without_the_right_key_does_not_start(tmp_path: Path) -> None:
    """None, a stranger's, and one that may do nothing there: it says that the server refuses, and not the key."""
    async with keyed_server(tmp_path / "server") as (server, signer):
        await make_namespace(await server.connect())
        poor = tmp_path / "poor"
        poor.write_text(signer.key("elsewhere:admin"))
        strange = tmp_path / "strange"
        strange.write_text(server.key[:-8] + "AAAAAAAA")
        for more in ({}, {"api_key_file": poor}, {"api_key_file": strange}):
            with pytest.raises(StartError) as refused:
                await ensure_attributes(await connect(settings(server, **more), 0))
            assert "unauthorized" in str(refused.value), more
            assert all(path.read_text() not in str(refused.value) for path in more.values())
