"""What a caller says of how long it would wait, and what becomes of a call that is held."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.jsonrpc.preference import LONGEST, Preference, wait_of
from sealing.jsonrpc.server import JsonRpcServer, application
from tests.jsonrpc.test_access import CALL, ECHO
from tests.jsonrpc.test_bounds import PATIENCE, connection

_BODY = json.dumps(CALL).encode()
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nPrefer: wait=5\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
"""A call whose caller would wait for five seconds."""


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 0),
        (["wait=25"], 25),
        (["respond-async, wait=10"], 10),
        (["respond-async", "Wait = 10; foo"], 10),
        (['wait="7"'], 7),
        (["wait=3, wait=9"], 3),
        (["wait=99999999999"], LONGEST),
        (["wait=" + "9" * 5000], 0),
        (["wait"], 0),
        (["wait=-1"], 0),
        (["wait=2.5"], 0),
        (["wait=1e3"], 0),
        (["await=5"], 0),
        (["foo; wait=5"], 0),
    ],
)
def test_the_seconds_that_a_caller_would_wait(lines: list[str], seconds: int) -> None:
    """As RFC 7240 writes it: of several the first, on any line; what is no whole number of seconds is not there."""
    assert wait_of(lines) == seconds


@given(st.lists(st.text() | st.from_regex(r"[ ,;=]*wait[ =\"0-9,;]*")))
def test_any_header_is_read(lines: list[str]) -> None:
    """What others write never hurts, and is never more than the longest."""
    assert 0 <= wait_of(lines) <= LONGEST


class Service:
    """Echoes when it is told to, and knows whether it was let go of."""

    def __init__(self, applied: int) -> None:
        """Take for how many seconds it says that it holds a call."""
        self.applied = applied
        self.begun, self.told, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.was_cancelled = False

    async def echo(self, text: str, preference: Preference) -> str:
        """Echo."""
        preference.applied = min(self.applied, preference.wait)
        self.begun.set()
        try:
            await self.told.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.ended.set()
        return text

    def server(self) -> JsonRpcServer:
        """Return a server of it."""
        return JsonRpcServer(application({"Echo": (ECHO, self.echo)}, "/"), "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("applied", "asks", "says"), [(20, "wait=5", "wait=5"), (2, "wait=5", "wait=2"), (0, "wait=5", None), (5, "", None)]
)
async def test_a_call_that_is_held_says_so(applied: int, asks: str, says: str | None) -> None:
    """For how long, and only where it was asked for."""
    service = Service(applied)
    service.told.set()
    async with service.server() as server, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(server.address, json=CALL, headers={"Prefer": asks} if asks else {})
    assert answer.json()["result"] == "x"
    assert answer.headers.get("Preference-Applied") == says


@pytest.mark.parametrize("applied", [5, 0], ids=["held", "not held"])
async def test_a_call_ends_with_its_caller_if_it_is_held(applied: int) -> None:
    """Nobody waits for it any more; one that is not held, such as a submission, is carried out all the same."""
    service = Service(applied)
    async with service.server() as server:
        async with connection(server) as (_, writer):
            writer.write(REQUEST)
            await asyncio.wait_for(service.begun.wait(), PATIENCE)
        if applied == 0:
            service.told.set()
        await asyncio.wait_for(service.ended.wait(), PATIENCE)
    assert service.was_cancelled is (applied > 0)


async def test_a_call_whose_caller_left_is_not_held_any_more() -> None:
    """What is done before a call is held goes on; then nobody would wait, and it is not."""
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def echo(text: str, preference: Preference) -> str:
        begun.set()
        while preference.wait:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        let_go.set()
        return text

    async with JsonRpcServer(application({"Echo": (ECHO, echo)}, "/"), "127.0.0.1", 0) as server:
        async with connection(server) as (_, writer):
            writer.write(REQUEST)
            await asyncio.wait_for(begun.wait(), PATIENCE)
        await asyncio.wait_for(let_go.wait(), PATIENCE)
