"""What comes over the network: requests, the manager's answers, the piece store's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from sealing.failures import SealingFailure
from sealing.jsonrpc.dispatch import Handlers, dispatch
from sealing.jsonrpc.method import Method
from sealing.manager import client, methods, worker
from sealing.manager.client import Manager
from sealing.manager.rpc import Rpc
from sealing.pieces.download import PieceStore, Wanted
from sealing.values import SectorId, Ticket
from tests.fuzz.target import Target, finished, folder, head_and_rest, in_loop

SECTOR = SectorId(miner=1000, number=1)
DIGEST = "ab" * 32
TICKET = Ticket(ticket=DIGEST, epoch=5)
_TOKEN = re.compile(rb"[A-Za-z0-9-]+")
"""A header's name that httpx takes at all."""
CODES = {-32700, -32600, -32601, -32602}


@cache
def _handlers() -> Handlers:
    """Return every method that we serve, with a handler that does nothing: how they are read is the matter here."""

    async def nothing(*_: object, request: str | None = None) -> None:
        del request

    found = [each for module in (methods, worker) for each in vars(module).values() if isinstance(each, Method)]
    return {each.name: (Method[Any](each.name, each.parameters, Any), nothing) for each in found}


def request(data: bytes) -> None:
    """Read a request as the manager and the worker do, and check that the answer is JSON-RPC."""
    status, answer = finished(dispatch(_handlers(), data, None))
    content = json.loads(answer)
    assert content["jsonrpc"] == "2.0"
    if "error" in content:
        assert (status, content["error"]["code"] in CODES) == (500, True)
        assert len(content["error"]["message"]) < 2000
    else:
        assert status == 200


Call = Callable[[Manager], Coroutine[Any, Any, object]]
CALLS: dict[str, Call] = {
    "allocate_sector": lambda it: it.allocate_sector([1000], [5]),
    "allocate_snapup": lambda it: it.allocate_snapup([1000], [5], 3, 1024),
    "acquire_deals": lambda it: it.acquire_deals(SECTOR, 3, 1024),
    "assign_ticket": lambda it: it.assign_ticket(SECTOR),
    "submit_precommit": lambda it: it.submit_precommit(SECTOR, 5, DIGEST, DIGEST, TICKET, reset=False),
    "poll_precommit": lambda it: it.poll_precommit(SECTOR),
    "submit_persisted": lambda it: it.submit_persisted(SECTOR, "store", is_upgrade=False),
    "wait_seed": lambda it: it.wait_seed(SECTOR, 5),
    "submit_proof": lambda it: it.submit_proof(SECTOR, "AAAA", reset=False),
    "poll_proof": lambda it: it.poll_proof(SECTOR),
    "report_state": lambda it: it.report_state(
        SECTOR, client.StateReport(worker="w", location="/l", prev="Empty", next="Allocated", event="Allocate")
    ),
    "report_finalized": lambda it: it.report_finalized(SECTOR),
    "report_aborted": lambda it: it.report_aborted(SECTOR, "why"),
    "reserve_space": lambda it: it.reserve_space(SECTOR, 2048, ["store"]),
    "store_info": lambda it: it.store_info("store"),
}
"""The manager's calls, each with good arguments: the answer is what is bad."""
NAMES = sorted(CALLS)


class _Answering:
    """A manager that gives each call the answer that was set."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"", httpx.Headers()
        self.manager = Manager("http://manager", max_body=1 << 20)
        rpc: Rpc = self.manager._rpc
        rpc._http = self.over_http()

    def over_http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, _: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, headers=self.headers, stream=httpx.ByteStream(self.body))


@cache
def _answering() -> _Answering:
    return _Answering()


def answer(data: bytes) -> None:
    """Let the manager answer one call: a first line of call and HTTP status, then the body."""
    head, rest = head_and_rest(data)
    name = head[0] if head and head[0] in CALLS else NAMES[len(data) % len(NAMES)]
    server = _answering()
    server.status, server.body = _status(head[1] if len(head) > 1 else "200"), rest
    # The ids of calls go on; a hand-made answer is to the first.
    server.manager._rpc._ids = iter((1,))  # type: ignore[assignment]
    in_loop(CALLS[name](server.manager))


def _status(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 200 <= int(text[:4]) < 600 else 200


@dataclass(frozen=True)
class _Answered(PieceStore):
    """A piece store whose answers are set."""

    def client(self) -> httpx.AsyncClient:
        return _answering().over_http()


def piece(data: bytes) -> None:
    """Let the piece store answer: a line of status and bytes that are there already, lines of headers, the data."""
    head, rest = head_and_rest(data)
    top, _, body = rest.partition(b"\n\n")
    server = _answering()
    server.status, server.body = _status(head[0] if head else "200"), body
    pairs = (line.partition(b":") for line in top.split(b"\n"))
    server.headers = httpx.Headers(
        [(name, value.strip()) for name, found, value in pairs if found and _TOKEN.fullmatch(name)]
    )
    wanted = Wanted(cid="baga", size=40, most=64, target=folder() / "piece")
    wanted.part.write_bytes(b"x" * (7 if "part" in head else 0))
    in_loop(_Answered("http://manager").download(wanted, lambda _: None))


WORDS = (
    b'"jsonrpc":"2.0"', b'"id":1', b'"method":"Venus.AssignTicket"', b'"params":[', b'"result":', b'"error":{"code":',
    b"11001", b"18446744073709551615", b"1e999", b"NaN", b"-0", b'"\\ud800"', b"\\u0000", b"null", b"9" * 4301,
    b"content-range: bytes 7-39/40", b"content-length: 40", b"206 part", b"416 part", b"bytes */40", b'"Ticket":',
    b'"PieceCID":{"/":"baga"}', b'{"Miner":1,"Number":1}', b'"DealInfo":{"DealID":',
)  # fmt: skip

TARGETS = (
    Target("jsonrpc-request", request, words=WORDS),
    Target("jsonrpc-answer", answer, (SealingFailure,), (*WORDS, *(f"{name} 200\n".encode() for name in NAMES))),
    Target("piece-answer", piece, (SealingFailure,), WORDS),
)
