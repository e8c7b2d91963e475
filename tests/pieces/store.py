"""A manager's piece store that a test can make slow, wrong or broken, and the deals of what is in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sealing.pieces.cid import piece_cid
from sealing.pieces.commitment import PieceHash, padded_size
from sealing.values import Deal
from tests.world.proxy import served

CHUNK = 1000
"""Bytes that it sends at once."""


@dataclass
class Store:
    """What is in it, by CID, and how it behaves."""

    pieces: dict[str, bytes] = field(default_factory=dict)
    address: str = ""
    token: str = ""
    status: int = 0
    """Answer every request so."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes to break off, request by request."""
    ranges: bool = True
    """Give the rest where only that is asked for."""
    lengths: bool = True
    """Tell how long an answer is."""
    shift: int = 0
    """Give a range that begins so many bytes later than was asked for."""
    claims: str = ""
    """What Content-Range says, if not the truth."""
    pause: float = 0.0
    """Seconds between two chunks."""
    moved: str = ""
    """Send whoever asks on to this URL, with words that do not end."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request."""

    async def handle(self, request: Request) -> Response:
        """Give a piece, or what the test wants instead."""
        self.asked.append(dict(request.headers))
        data = self.pieces.get(request.path_params["cid"])
        if self.moved:
            return StreamingResponse(_without_end(), 307, {"location": self.moved + request.url.path})
        if self.status:
            return Response("no", self.status)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return Response("who are you?", 401)
        if data is None:
            return Response("not here", 404)
        return self._answer(data, request.headers.get("range", ""))

    def _answer(self, data: bytes, wanted: str) -> Response:
        found = re.fullmatch(r"bytes=(\d+)-", wanted) if self.ranges else None
        start = int(found[1]) + self.shift if found else 0
        if found and start >= len(data):
            return Response(status_code=416)
        headers = {"Content-Length": str(len(data) - start)} if self.lengths else {}
        if found:
            headers["Content-Range"] = self.claims or f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = self.cuts.pop(0) if self.cuts else len(data)
        return StreamingResponse(self._body(data[start:], cut), 206 if found else 200, headers)

    async def _body(self, data: bytes, cut: int) -> AsyncIterator[bytes]:
        for start in range(0, min(cut, len(data)), CHUNK):
            await asyncio.sleep(self.pause)
            yield data[start : min(start + CHUNK, cut)]
        if cut < len(data):
            await asyncio.sleep(0.02)  # what was sent is to arrive before the connection is gone
            msg = "the test breaks off here"
            raise ConnectionAbortedError(msg)


async def _without_end() -> AsyncIterator[bytes]:
    while True:
        yield b"it has moved " * CHUNK
        await asyncio.sleep(0)


@asynccontextmanager
async def piece_store() -> AsyncIterator[Store]:
    """Run a piece store."""
    store = Store()
    async with served(Route("/piecestore/{cid}", store.handle)) as store.address:
        yield store


def deal_of(data: bytes, size: int | None = None, number: int = 1) -> Deal:
    """Return a deal on data, in the smallest piece that holds it if no padded size is given."""
    size = size or padded_size(len(data))
    whole = PieceHash()
    whole.update(data)
    cid = piece_cid(whole.commitment(size).hex())
    return Deal(piece_cid=cid, size=size, payload_size=len(data), deal_id=number)
