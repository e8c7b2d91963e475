"""What a caller can take of a server: no more than some connections, for some time, and some bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from sealing.jsonrpc import server as served
from sealing.jsonrpc.access import OPEN
from sealing.jsonrpc.server import JsonRpcServer
from tests.jsonrpc.test_access import CALL, service

SOON = 0.2
"""Seconds in place of half a minute."""
PATIENCE = 30.0


@contextlib.asynccontextmanager
async def connection(server: JsonRpcServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def left(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends."""
    with contextlib.suppress(OSError):
        return await asyncio.wait_for(reader.read(), PATIENCE)
    return b""


def request(body: bytes, length: int | None = None) -> bytes:
    """Return the bytes of a call."""
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (length or len(body), body)


@pytest.mark.parametrize("start", [b"", b"POST / HTTP/1.1\r\nHost:", request(json.dumps(CALL).encode()) + b"POST /"])
async def test_a_connection_that_asks_for_nothing_is_cut(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    """One that says nothing, half a head, or half a head after a call; and others are answered meanwhile."""
    monkeypatch.setattr(served, "IDLE_SECONDS", SOON)
    async with JsonRpcServer(service(OPEN), "127.0.0.1", 0) as server, connection(server) as (reader, writer):
        writer.write(start)
        said = await left(reader)
        assert (b'"result":"x"' in said) is (b"{" in start)


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it is answered with 408."""
    monkeypatch.setattr(served, "BODY_SECONDS", SOON)
    async with JsonRpcServer(service(OPEN), "127.0.0.1", 0) as server, connection(server) as (reader, writer):
        writer.write(request(b"{", 100))
        assert (await left(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_long_call_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has asked is answered, however long that takes."""
    monkeypatch.setattr(served, "IDLE_SECONDS", SOON / 4)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(SOON * 2)
        await service(OPEN)(scope, receive, send)

    async with JsonRpcServer(slow, "127.0.0.1", 0) as server, connection(server) as (reader, writer):
        writer.write(request(json.dumps(CALL).encode()))
        assert b'"result":"x"' in await left(reader)


async def test_connections_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is cut as it comes, and there is room again when another ends."""
    monkeypatch.setattr(served, "MAX_CONNECTIONS", 2)
    async with JsonRpcServer(service(OPEN), "127.0.0.1", 0) as server, contextlib.AsyncExitStack() as others:
        for _ in range(2):
            _, writer = await others.enter_async_context(connection(server))
            writer.write(b"POST")
        async with connection(server) as (reader, _):
            assert await left(reader) == b""
        await others.aclose()

        async def answered() -> bytes:
            async with connection(server) as (reader, writer):
                writer.write(request(json.dumps(CALL).encode()).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                return await left(reader)

        async with asyncio.timeout(PATIENCE):
            while b'"result":"x"' not in await answered():  # noqa: ASYNC110 - nothing tells that a connection has ended
                await asyncio.sleep(0.01)


async def test_a_head_without_an_end_is_refused() -> None:
    """No more than h11's 16 KiB of it are held."""
    async with JsonRpcServer(service(OPEN), "127.0.0.1", 0) as server, connection(server) as (reader, writer):
        with contextlib.suppress(OSError):
            writer.write(b"POST / HTTP/1.1\r\nX: " + b"x" * (1 << 20))
            await writer.drain()
        assert (await left(reader))[:12] in {b"HTTP/1.1 400", b""}
