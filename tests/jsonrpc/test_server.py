"""How a server answers."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from sealing.jsonrpc.access import OPEN
from sealing.jsonrpc.server import JsonRpcServer
from tests.jsonrpc.test_access import CALL, service
from tests.jsonrpc.test_bounds import connection, request


async def test_no_answer_waits_for_the_clients_word_on_its_first_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body are sent apart; without TCP_NODELAY the body of each answer is 40 ms late."""
    options = list[int]()
    made = H11Protocol.connection_made

    def noted(self: H11Protocol, transport: asyncio.Transport) -> None:
        made(self, transport)
        options.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(H11Protocol, "connection_made", noted)
    async with JsonRpcServer(service(OPEN), "127.0.0.1", 0) as server, connection(server) as (reader, writer):
        writer.write(request(json.dumps(CALL).encode()))
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert options == [1]
