"""Who is answered over HTTP, and what those get and leave behind who are not."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from sealing.addresses import Network, network
from sealing.jsonrpc.access import OPEN, TOLD_AT_MOST, TOLD_EVERY, Access, Refusals
from sealing.jsonrpc.method import Method
from sealing.jsonrpc.server import JsonRpcServer, application
from tests.world.addresses import EVERYWHERE, own_address

TOKEN = "correct-horse"  # noqa: S105 - the tests' own
CALL = {"jsonrpc": "2.0", "id": 1, "method": "Echo", "params": ["x"]}
ECHO = Method[str]("Echo", (str,), str)
LISTED = (network("10.0.0.0/24"), network("fd00::5"))
BEARING = {"Authorization": f"Bearer {TOKEN}"}


async def _echo(text: str) -> str:
    return text


def service(access: Access) -> Any:
    """Return an application that echoes."""
    return application({"Echo": (ECHO, _echo)}, "/", access)


async def asked(access: Access, address: str, **headers: str) -> httpx.Response:
    """Call as if from an address."""
    transport = httpx.ASGITransport(service(access), client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as http:
        return await http.post("/", json=CALL, headers=headers)


@pytest.mark.parametrize(
    ("access", "address", "headers", "status"),
    [
        (OPEN, "127.0.0.1", {}, 200),
        (Access(TOKEN), "127.0.0.1", {}, 401),
        (Access(TOKEN), "127.0.0.1", BEARING, 200),
        (Access(TOKEN), "192.0.2.9", BEARING, 200),
        (Access(TOKEN), "192.0.2.9", {"Authorization": TOKEN}, 401),
        (Access(TOKEN), "192.0.2.9", {"Authorization": f"Basic {TOKEN}"}, 401),
        (Access(TOKEN), "192.0.2.9", {"Authorization": f"Bearer {TOKEN} "}, 401),
        (Access(None, LISTED), "10.0.0.200", {}, 200),
        (Access(None, LISTED), "10.0.1.0", {}, 403),
        (Access(None, LISTED), "fd00::5", {}, 200),
        (Access(None, LISTED), "fd00::6", {}, 403),
        (Access(None, LISTED), "::ffff:10.0.0.7", {}, 200),
        (Access(None, LISTED), "::ffff:10.0.1.7", {}, 403),
        (Access(None, LISTED), "127.0.0.1", {}, 200),
        (Access(None, LISTED), "::1", {}, 200),
        (Access(None, ()), "127.0.0.1", {}, 200),
        (Access(None, ()), "10.0.0.5", {}, 403),
        (Access(None, LISTED), "localhost.evil.example", {}, 403),
        (Access(None, LISTED), "10.0.9.9", {"X-Forwarded-For": "10.0.0.5"}, 403),
        (Access(TOKEN, LISTED), "10.0.0.5", BEARING, 200),
        (Access(TOKEN, LISTED), "10.0.0.5", {}, 401),
        (Access(TOKEN, LISTED), "192.0.2.9", BEARING, 403),
        (OPEN, "127.0.0.1", {"Origin": "http://evil.example"}, 403),
        (OPEN, "127.0.0.1", {"Origin": "null"}, 403),
        (Access(TOKEN), "127.0.0.1", {**BEARING, "Origin": "http://evil.example"}, 403),
    ],
)
async def test_who_is_answered(access: Access, address: str, headers: dict[str, str], status: int) -> None:
    """A token, a list, or both; the loopback is on every list; a page of a browser is never answered."""
    answer = await asked(access, address, **headers)
    assert answer.status_code == status
    content = answer.json()
    if status == 200:
        assert content["result"] == "x"
        return
    assert (content["jsonrpc"], content["id"], content["error"]["code"]) == ("2.0", None, status)
    assert TOKEN not in answer.text
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


ADDRESSES = st.ip_addresses()
NETWORKS = st.builds(
    lambda address, bits: (
        ipaddress.ip_network((int(address), max(1, min(bits, address.max_prefixlen))), strict=False)
        if address.version == 4
        else ipaddress.IPv6Network((int(address), max(1, bits)), strict=False)
    ),
    ADDRESSES,
    st.integers(1, 128),
)


@given(address=ADDRESSES, listed=st.lists(NETWORKS, max_size=4))
def test_a_list_lets_in_what_is_on_it_and_nothing_else(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, listed: list[Network]
) -> None:
    """Of either version of IP, beside the loopback."""
    caller = (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
    wanted = caller.is_loopback or any(caller in each for each in listed)
    scope = {"type": "http", "client": (str(address), 1), "headers": []}
    assert (Access(None, tuple(listed)).refusal(Request(scope)) is None) is wanted


@given(st.text(max_size=40))
def test_nothing_but_the_token_is_the_token(text: str) -> None:
    """Whatever else is sent, also what is no ASCII, is refused."""
    header = text.encode("utf-8", errors="ignore").replace(b"\n", b"").replace(b"\r", b"")
    scope = {"type": "http", "client": ("10.0.0.5", 1), "headers": [(b"authorization", header)]}
    refusal = Access(TOKEN).refusal(Request(scope))
    assert (refusal is None) is (header == f"Bearer {TOKEN}".encode())


async def test_the_token_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither it nor what was sent in its place is in a log, and it is not what ``repr`` shows."""
    with caplog.at_level(logging.DEBUG):
        await asked(Access(TOKEN), "192.0.2.9", Authorization="Bearer nearly-right")
    assert "a call from 192.0.2.9 is refused: a bearer token is needed" in caplog.text
    assert [word for word in (TOKEN, "nearly-right") if word in caplog.text] == []
    assert TOKEN not in repr(Access(TOKEN))


def test_refusals_are_logged_once_an_address_and_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """However many knock: some are named, then it is said that there are more, and an hour later it begins anew."""
    now = [0.0]
    told = Refusals(lambda: now[0])
    for _ in range(3):
        for number in range(2 * TOLD_AT_MOST):
            told.tell(f"192.0.2.{number}", "no")
    assert len(caplog.records) == TOLD_AT_MOST + 1
    assert "more than 64 addresses" in caplog.records[-1].getMessage()
    now[0] += TOLD_EVERY
    told.tell("192.0.2.0", "no")
    told.tell("192.0.2.0", "no")
    assert len(caplog.records) == TOLD_AT_MOST + 2


async def test_a_caller_cannot_say_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real connection, also where the environment says that proxies are to be believed."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    other = own_address()
    headers = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    async with JsonRpcServer(service(Access(None, ())), EVERYWHERE, 0) as server, httpx.AsyncClient() as http:
        refused = await http.post(f"http://{other}:{server.port}/", json=CALL, headers=headers)
        assert (refused.status_code, other in refused.text) == (403, True)
        assert (await http.post(f"http://127.0.0.1:{server.port}/", json=CALL)).json()["result"] == "x"
