"""A manager that misbehaves: each way is a failure of the right kind that says what happened."""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from sealing.failures import Abort, Outage, Permanent, SealingFailure, Temporary
from sealing.manager.client import Manager
from sealing.values import SectorId

SECTOR = SectorId(miner=1000, number=1)
Answer = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


def raw(content: bytes) -> Answer:
    """Send these bytes and close."""

    async def answer(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(content)
        await writer.drain()

    return answer


def http(body: bytes | str, status: int = 200) -> Answer:
    """Send a whole answer; ``ID`` in it becomes the request's id."""

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        content = (body if isinstance(body, bytes) else body.encode()).replace(b"ID", str(number).encode())
        await raw(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content)(writer, number)

    return answer


def result(value: object) -> Answer:
    """Send a right JSON-RPC answer with this result."""
    return http(json.dumps({"jsonrpc": "2.0", "id": 0, "result": value}).replace('"id": 0', '"id": ID'))


def error(code: object, message: object = "why", status: int = 200) -> Answer:
    """Send a JSON-RPC error."""
    content = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return http(json.dumps(content), status)


@asynccontextmanager
async def misbehaving(answer: Answer) -> AsyncIterator[str]:
    """Serve ``answer`` to every call."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            number = json.loads(await reader.readexactly(int(length[1])))["id"]
            await answer(writer, number)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def failing(answer: Answer, *, seconds: float = 10.0) -> SealingFailure:
    """Return the failure of a call to a manager that answers so."""
    async with misbehaving(answer) as address, Manager(address, timeout=seconds) as manager:
        with pytest.raises(SealingFailure) as caught:
            await manager.poll_proof(SECTOR)
    assert address in str(caught.value)
    assert "Venus.PollProofState" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    return caught.value


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (result({"State": "3"}), Permanent, "result.State"),
        (result({"State": 8}), Permanent, "got 8"),
        (result(None), Permanent, "result"),
        (result("x" * 100_000), Permanent, "..."),
        (error(1, "cannot"), Temporary, "error 1: cannot"),
        (error(1, "a\nb" * 10_000), Temporary, "a b"),
        (error(11001, "sector state not found"), Abort, "sector state not found"),
        (error(-32601, status=500), Permanent, "no such method"),
        (error(-32602, "wrong param count", status=500), Permanent, "wrong param count"),
        (error(-32700, status=500), Permanent, "could not read"),
        (error(-32000, status=500), Temporary, "error -32000"),
        (error("1"), Temporary, "not JSON-RPC's"),
        (error(1, None, status=500), Outage, "not JSON-RPC's"),
        (http('{"jsonrpc":"2.0","id":ID,"error":"no"}'), Temporary, "not JSON-RPC's"),
        (http("Internal Server Error", 500), Outage, "HTTP 500"),
        (http("<html>", 502), Outage, "HTTP 502"),
        (http('{"jsonrpc":"2.0","id":ID,"result":{"State":1}}', 503), Outage, "HTTP 503"),
        (http("busy", 429), Outage, "HTTP 429"),
        (http("no", 401), Permanent, "token"),
        (http("no", 403), Permanent, "token"),
        (http("no", 404), Permanent, "/rpc/v0"),
        (http("", 301), Permanent, "somewhere else"),
        (http("<html>hello</html>"), Temporary, "not JSON-RPC"),
        (http(b"\xff\xfe"), Temporary, "not JSON-RPC"),
        (http("[]"), Temporary, "not JSON-RPC"),
        (http('{"State": 1}'), Temporary, "not JSON-RPC"),
        (http("[" * 100_000), Temporary, "not JSON-RPC"),
        (http('{"jsonrpc":"2.0","id":77777,"result":{"State":1}}'), Temporary, "77777"),
        (http('{"jsonrpc":"2.0","result":{"State":1}}'), Temporary, "id"),
        (http('{"jsonrpc":"2.0","id":ID,"resu'), Outage, "cut off"),
        (http(""), Outage, "cut off"),
        (raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"jsonrpc"'), Outage, ""),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), Outage, ""),
        (raw(b"SSH-2.0-OpenSSH\r\n"), Outage, ""),
        (raw(b""), Outage, ""),
    ],
)
async def test_a_bad_answer_is_a_failure_of_the_right_kind(
    answer: Answer, kind: type[SealingFailure], says: str
) -> None:
    """Every way to answer wrongly has its level, and a short line with manager, method and cause."""
    failure = await failing(answer)
    assert type(failure) is kind
    assert says in str(failure)


async def test_silence_is_an_outage_after_the_time_limit() -> None:
    """A manager that takes the call and says nothing is away."""

    async def silent(writer: asyncio.StreamWriter, _: int) -> None:
        await writer.drain()
        await asyncio.sleep(60)

    assert "no answer within 0.2 s" in str(await failing(silent, seconds=0.2))


async def test_an_answer_that_drips_is_an_outage_after_the_time_limit() -> None:
    """The limit is for the whole call: bytes that come one by one do not prolong it."""

    async def drip(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    failure = await failing(drip, seconds=0.3)
    assert type(failure) is Outage


async def test_nobody_there_is_an_outage() -> None:
    """A refused connection is an outage: the manager may come back."""
    async with misbehaving(raw(b"")) as address:
        pass
    async with Manager(address) as manager:
        with pytest.raises(Outage, match=r"Venus\.AssignTicket"):
            await manager.assign_ticket(SECTOR)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_huge_answer_is_refused_without_being_held(declared: bool) -> None:  # noqa: FBT001
    """Of an answer of 50 MB no more than the limit is read, with or without its length being said."""
    chunk, sent = b" " * (1 << 16), 0

    async def huge(writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal sent
        length = b"Content-Length: %d\r\n" % (50 << 20) if declared else b""
        writer.write(b"HTTP/1.1 200 OK\r\n%s\r\n" % length)
        for _ in range((50 << 20) // len(chunk)):
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)

    tracemalloc.start()
    try:
        async with misbehaving(huge) as address, Manager(address, max_body=1 << 20) as manager:
            with pytest.raises(Permanent, match="larger than 1048576 bytes"):
                await manager.poll_proof(SECTOR)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert sent < 40 << 20
