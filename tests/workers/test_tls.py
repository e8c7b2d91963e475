"""The connection to a production server that takes nothing but TLS with a client's certificate."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.stack.namespace import make_namespace
from deploy.stack.programs import find_built
from sealing.cache import ProgramMissingError
from sealing.config import Temporal
from tests.needs import missing
from tests.world.certificates import Authority
from tests.world.plant import plant, working
from tests.world.tls_server import TlsServer
from workers.connection import StartError, TlsError, connect
from workers.doctor.checks import Level
from workers.doctor.server import Server

pytestmark = pytest.mark.server

TRIES = 5
"""The doctor asks once, and the system may throw a server's last word away with the connection."""
AT_ONCE = 10.0
"""Seconds after which it was tried again, and again."""
Keys = dict[str, Path | str | bool]


@pytest.fixture(scope="module")
async def tls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TlsServer]:
    """Run the server."""
    try:
        find_built("temporal-server")
    except ProgramMissingError as error:
        missing(str(error), "make setup")
    server = TlsServer(tmp_path_factory.mktemp("tls") / "server")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def right(tls: TlsServer) -> Keys:
    """Return the keys of [temporal] with which it answers."""
    return {"tls_ca_file": tls.authority.file, "tls_cert_file": tls.client.cert, "tls_key_file": tls.client.key}


def settings(address: str, keys: Keys) -> Temporal:
    """Return the settings of a connection."""
    return Temporal.model_validate({"address": address, **keys})


async def test_a_sector_is_sealed_over_tls(tls: TlsServer, tmp_path: Path) -> None:
    """Both sides prove who they are, the worker by the files that its configuration names: a sector's whole way."""
    client = await tls.connect()
    await make_namespace(client)
    keys = "\n".join(f'{name} = "{file}"' for name, file in right(tls).items())
    async with plant(client, tmp_path, fleet=keys) as built:
        built.client = await connect(built.config.temporal, 0)
        async with working(built):
            assert (await built.finished()).comm_r


def _with(name: str, value: Callable[[TlsServer, Path], Path | str | None]) -> Callable[[TlsServer, Path], Keys]:
    def keys(tls: TlsServer, folder: Path) -> Keys:
        found = value(tls, folder)
        others = {key: file for key, file in right(tls).items() if key != name}
        return others if found is None else {**others, name: found}

    return keys


def _junk(_: TlsServer, folder: Path) -> Path:
    (folder / "junk.pem").write_text("no PEM")
    return folder / "junk.pem"


def _strange(tls: TlsServer, folder: Path) -> Keys:
    pair = Authority(folder, "strangers").pair("stranger")
    return {**right(tls), "tls_cert_file": pair.cert, "tls_key_file": pair.key}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            _with("tls_ca_file", lambda _, folder: Authority(folder, "other").file),
            "other.pem: name the right one",
        ),
        (lambda *_: {"tls": True}, "from no authority in this machine's own list"),
        (lambda tls, _: {"tls_ca_file": tls.authority.file}, "wants this worker's certificate: set tls_cert_file"),
        (_strange, "refuses this worker's certificate"),
        (lambda tls, _: {**right(tls), "tls_server_name": "other.test"}, "for another name: set tls_server_name"),
        (_with("tls_cert_file", _junk), "tls_cert_file holds no certificate"),
        (_with("tls_key_file", _junk), "tls_key_file holds no private key"),
        (_with("tls_key_file", lambda tls, _: tls.own.key), "is not the key of the certificate"),
    ],
)
async def test_certificates_that_do_not_fit_are_told_at_once(
    tls: TlsServer, tmp_path: Path, keys: Callable[[TlsServer, Path], Keys], says: str
) -> None:
    """Which key of the configuration is wrong and why, to who starts a worker and to the doctor, without a retry."""
    given = settings(tls.address, keys(tls, tmp_path))
    began = time.monotonic()
    with pytest.raises(TlsError) as refused:
        await connect(given, patience=600)
    assert time.monotonic() - began < AT_ONCE
    assert says in str(refused.value)
    assert "PRIVATE KEY" not in str(refused.value)
    for _ in range(TRIES):
        told = await Server(given).reachable()
        assert told.level is Level.WRONG
        if says in told.text:
            return
    pytest.fail(f"the doctor says {told.text}")


async def test_a_server_whose_certificate_has_expired_is_not_trusted(tls: TlsServer, tmp_path: Path) -> None:
    """So is one that speaks no TLS; and one that wants TLS is not spoken to in plain without a hint."""
    pair = tls.authority.pair("old", expired=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    context.set_alpn_protocols(["h2"])
    async with _listening(context) as address:
        with pytest.raises(TlsError, match="has expired: renew it, or set this machine's clock"):
            await connect(settings(address, right(tls)), 0)
    async with _listening(None) as address:
        with pytest.raises(TlsError, match="speaks no TLS at this port"):
            await connect(settings(address, right(tls)), 0)
    with pytest.raises(StartError, match="if it takes nothing but TLS, set tls = true"):
        await connect(settings(tls.address, {}), 0)
    with pytest.raises(StartError, match=r"\[temporal\] tls_ca_file = .*none: No such file"):
        await connect(settings(tls.address, {"tls_ca_file": tmp_path / "none"}), 0)


@asynccontextmanager
async def _listening(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Run a server that answers whatever comes with a line of text."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
