"""Downloads a piece from the manager's piece store, and goes on where an earlier download stopped.

Outage      nobody there, no bytes for a while, HTTP 5xx, 408 or 429
Temporary   it broke off: what has come stays, and the next try asks for the rest; all of it where the server cannot
Permanent   no such piece, no right token, not as many bytes as the deal says
OSError     the disk
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from sealing.failures import Outage, Permanent, SealingFailure, Temporary
from sealing.headers import count_of
from sealing.stores import durable

CHUNK = 4 << 20
"""Bytes that are gathered before they are written."""
TIMEOUT = 30.0
"""Seconds without any byte after which the store is taken for away."""
BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
REDIRECTS = 5
"""How often one request may be sent on."""
_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)")

Progress = Callable[[dict[str, Any]], None]
"""Is told phase, piece, bytes and total."""


@dataclass(frozen=True)
class Wanted:
    """A piece to download: its CID, its file, and in words where else was looked for it.

    ``size`` is the bytes of its data. The store's file may be longer, up to ``most`` bytes, filled up with zeros: only
    the data is taken.
    """

    cid: str
    size: int
    most: int
    target: Path
    looked: str = ""

    @property
    def part(self) -> Path:
        """The file of what has come so far."""
        return self.target.with_name(f"{self.target.name}.part")


@dataclass(frozen=True)
class PieceStore:
    """The manager's piece store: the manager's URL, the token it wants, seconds without a byte to wait at most."""

    manager: str
    token: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT

    def url_of(self, cid: str) -> str:
        """Return where a piece is asked for."""
        return f"{self.manager}/piecestore/{cid}"

    async def download(self, wanted: Wanted, on_progress: Progress) -> None:
        """Download a piece. Its file is there when it is whole, and only then. Raises as the module's text says."""
        await _Download(self, wanted, on_progress).run()

    def client(self) -> httpx.AsyncClient:
        """Return what asks. A piece store may send us on to where the piece is; the token is for its own host only."""
        return httpx.AsyncClient(
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {}),
            timeout=self.timeout,
            verify=_trusted(),
            trust_env=False,
        )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the machine's trust in servers, which takes 20 ms to read."""
    return ssl.create_default_context()


@dataclass
class _Download:
    """One try. ``done`` bytes are in the part's file, ``kept`` are those after them."""

    store: PieceStore
    wanted: Wanted
    on_progress: Progress
    done: int = 0
    kept: bytearray = field(default_factory=bytearray)
    answered: bool = False

    async def run(self) -> None:
        self.done = await asyncio.to_thread(_size_of, self.wanted.part)
        if self.done > self.wanted.size:
            await self._start_over()
        if self.done < self.wanted.size:
            await self._ask()
        await asyncio.to_thread(_finish, self.wanted)

    async def _ask(self) -> None:
        url = self.store.url_of(self.wanted.cid)
        headers = {"Range": f"bytes={self.done}-"} if self.done else {}
        try:
            async with (
                self.store.client() as client,
                _stream(client, client.build_request("GET", url, headers=headers)) as response,
            ):
                await self._accept(response)
                self.answered = True
                await self._receive(response)
        except httpx.TimeoutException as error:
            raise Outage(self._about(f"no byte within {self.store.timeout:g} s")) from error
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            raise self._broken_off(why) if self.answered else Outage(self._about(why)) from error
        except httpx.InvalidURL as error:
            why = f"it sends us to what is no address ({error}); check the manager's piece store"
            raise Permanent(self._about(why)) from error
        except httpx.TooManyRedirects as error:
            raise Permanent(self._about("it sends us on and on; check the manager's piece store")) from error
        if self.done < self.wanted.size:
            raise self._broken_off("it ended")

    async def _accept(self, response: httpx.Response) -> None:
        """Look at the answer's head, and start over where the server does. Raises for all that is no piece."""
        status = response.status_code
        total = response.headers.get("content-length")
        if status == HTTPStatus.PARTIAL_CONTENT:
            found = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if found is None or count_of(found[1]) != self.done:
                await self._start_over()
                raise Temporary(self._about("it answered another range than was asked for; the download starts over"))
            total = found[2]
        elif status == HTTPStatus.OK:
            await self._start_over()
        else:
            raise await self._refusal(status)
        told = count_of(total)
        if told is None:
            told = self.wanted.size
        if not self.wanted.size <= told <= self.wanted.most:
            raise await self._of_other_size(f"has {told} bytes")

    async def _refusal(self, status: int) -> SealingFailure:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in BUSY:
            return Outage(self._about(f"HTTP {status}"))
        if status in REFUSED:
            return Permanent(self._about(f"HTTP {status}: check sector_manager.piece_token, then resume"))
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self.done:
            return await self._of_other_size(f"has no more than {self.done} bytes")
        if status in GONE:
            return Permanent(
                f"piece {self.wanted.cid} is nowhere: {self._elsewhere()}{self.store.url_of(self.wanted.cid)} answers "
                f"HTTP {status}; put it into the piece store, or a file of that name into a folder of "
                "worker.local_pieces_dirs, then resume"
            )
        return Permanent(self._about(f"HTTP {status}: is sector_manager.rpc_client.addr the manager's?"))

    async def _receive(self, response: httpx.Response) -> None:
        try:
            async for chunk in response.aiter_raw():
                self.kept += chunk[: self.wanted.size - self.done - len(self.kept)]
                if self.done + len(self.kept) == self.wanted.size:
                    break
                if len(self.kept) >= CHUNK:
                    await self._write()
        except httpx.TransportError:
            await self._write()
            raise
        await self._write()

    async def _write(self) -> None:
        await asyncio.to_thread(_write_at, self.wanted.part, self.done, bytes(self.kept))
        self.done += len(self.kept)
        self.kept.clear()
        facts = {"phase": "fetching", "piece": self.wanted.cid, "bytes": self.done, "total": self.wanted.size}
        self.on_progress(facts)

    async def _start_over(self) -> None:
        if self.done:
            await asyncio.to_thread(_forget, self.wanted.part)
            self.done = 0

    async def _of_other_size(self, what: str) -> Permanent:
        """Return the failure for data that is not the deal's, and forget what has come of it."""
        await self._start_over()
        return Permanent(self._about(f"it {what} where the deal has {self.wanted.size}; put it right, then resume"))

    def _broken_off(self, why: str) -> Temporary:
        return Temporary(
            self._about(f"the download broke off after {self.done} of {self.wanted.size} bytes ({why}); it goes on")
        )

    def _about(self, what: str) -> str:
        return f"piece {self.wanted.cid}: {self._elsewhere()}{self.store.url_of(self.wanted.cid)}: {what}"

    def _elsewhere(self) -> str:
        return f"{self.wanted.looked}; " if self.wanted.looked else ""


@asynccontextmanager
async def _stream(client: httpx.AsyncClient, request: httpx.Request) -> AsyncIterator[httpx.Response]:
    """Send a request, and on to where its answers send it. What these say besides is not read: it may be endless."""
    for _ in range(REDIRECTS + 1):
        response = await client.send(request, stream=True)
        try:
            if response.next_request is None:
                yield response
                return
        finally:
            await response.aclose()
        request = response.next_request
    raise httpx.TooManyRedirects("sent on too often", request=request)


def _size_of(part: Path) -> int:
    """Return the bytes that have come before; the file is there from then on."""
    part.touch()
    return part.stat().st_size


def _write_at(part: Path, offset: int, data: bytes) -> None:
    """Write into a file that is there: one that was removed meanwhile, with its sector, does not come back."""
    with part.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _forget(part: Path) -> None:
    """Empty the file."""
    os.truncate(part, 0)


def _finish(wanted: Wanted) -> None:
    durable.sync(wanted.part)
    wanted.part.replace(wanted.target)
