"""The server's side of JSON-RPC: exact answers to what is wrong, and never a crash."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealing.jsonrpc.dispatch import dispatch
from sealing.jsonrpc.method import Method
from sealing.jsonrpc.server import MAX_BODY
from sealing.manager import methods
from tests.devnet.world import World

GOOD: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 3,
    "method": "Venus.AssignTicket",
    "params": [{"Miner": 1, "Number": 1}],
}
ALL = [method for method in vars(methods).values() if isinstance(method, Method)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


async def post(world: World, body: bytes, **headers: str) -> httpx.Response:
    """Send a body as it is."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(f"{world.server.address}/rpc/v0", content=body, headers=headers)


@pytest.mark.parametrize(
    ("change", "status", "code", "says"),
    [
        ({}, 200, 11001, "error code 11001: sector state not found"),
        ({"method": "Venus.Nothing"}, 500, -32601, "method 'Venus.Nothing' not found"),
        ({"method": "x" * 100_000}, 500, -32601, "not found"),
        ({"method": 5}, 500, -32600, "method"),
        ({"jsonrpc": "1.0"}, 500, -32600, "jsonrpc"),
        ({"id": None}, 500, -32600, "id"),
        ({"params": []}, 500, -32602, "wrong param count (method 'Venus.AssignTicket'): 0 != 1"),
        ({"params": None}, 500, -32602, "0 != 1"),
        ({"params": [1, 2]}, 500, -32602, "2 != 1"),
        ({"params": {"ID": 1}}, 500, -32602, "by position"),
        ({"params": ["x"]}, 500, -32602, "params[0]"),
        ({"params": [{"Miner": 1}]}, 500, -32602, "params[0].Number: Field required"),
        ({"params": [{"Miner": 1, "Number": 10**400}]}, 500, -32602, "params[0].Number"),
        ({"params": [{"Miner": 1, "Number": "1"}]}, 500, -32602, "params[0].Number"),
    ],
)
async def test_a_wrong_request_gets_its_error(
    world: World, change: dict[str, Any], status: int, code: int, says: str
) -> None:
    """JSON-RPC's own errors come with HTTP 500, the manager's with 200; each says what is wrong."""
    answer = await post(world, json.dumps({**GOOD, **change}).encode())
    assert answer.status_code == status
    content = answer.json()
    assert (content["jsonrpc"], content["error"]["code"]) == ("2.0", code)
    assert says in content["error"]["message"]
    assert len(content["error"]["message"]) < 500


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", -32700), (b"\xff", -32700), (b"{", -32700), (b"[" * 100_000, -32700), (b"NaN", -32700), (b"[]", -32600)],
)
async def test_junk_is_a_parse_error(world: World, body: bytes, code: int) -> None:
    """What is not JSON, or not an object, gets an error with a null id, and the server goes on."""
    answer = await post(world, body)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["id"]) == (500, code, None)
    await world.allocated()


async def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    """Of a huge request no more than the limit is read."""
    answer = await post(world, b" " * (MAX_BODY + 1))
    assert answer.status_code == 413
    await world.allocated()


async def test_a_caller_who_leaves_does_no_harm(world: World) -> None:
    """A connection that ends in the middle of a request, or after rubbish, is just over."""
    host, port = world.server.address.removeprefix("http://").split(":")
    for start in (b"POST /rpc/v0 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"\0\1\2rubbish\r\n\r\n", b""):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(start)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await world.allocated()


async def test_other_paths_and_verbs_are_not_served(world: World) -> None:
    """Only POST to the manager's path is answered."""
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{world.server.address}/rpc/v0")).status_code == 405
        assert (await http.post(f"{world.server.address}/")).status_code == 404


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_gets_an_answer(body: bytes) -> None:
    """Whatever is sent, the answer is JSON-RPC."""
    status, answer = asyncio.run(dispatch({}, body, None))
    assert json.loads(answer)["error"]["code"] in {-32700, -32600, -32601}
    assert status == 500


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ALL), st.lists(JSON, max_size=4))
def test_any_params_get_an_answer(method: Method[Any], params: list[Any]) -> None:
    """Whatever the params, they are taken or refused with the number or the place of what is wrong."""

    async def taken(*_: object) -> None:
        return None

    passed = Method[Any](method.name, method.parameters, Any)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method.name, "params": params}).encode()
    _, answer = asyncio.run(dispatch({method.name: (passed, taken)}, body, None))
    content = json.loads(answer)
    assert content.get("error", {"code": -32602})["code"] in {-32602, -32700}


async def test_every_method_has_its_handler(world: World) -> None:
    """Each method of the table is served."""
    for method in ALL:
        answer = await post(world, json.dumps({**GOOD, "method": method.name, "params": [0] * 9}).encode())
        assert "wrong param count" in answer.json()["error"]["message"], method.name
