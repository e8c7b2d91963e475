"""A wire between two programs that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK = 1 << 16


class Relay:
    """Passes on what comes to ``port``, also while nobody is at its other end: then it refuses."""

    def __init__(self, target: int) -> None:
        """Take the port that connections are passed on to."""
        self.port = 0
        self.target = target
        self._is_cut = False
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End all connections, in the middle of whatever they carry, and take no more."""
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Pass on again what comes."""
        self._is_cut = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection, both ways, until one side ends it."""
        with contextlib.suppress(OSError):
            if self._is_cut:
                return writer.transport.abort()
            beyond, onward = await asyncio.open_connection("127.0.0.1", self.target)
            self._ends |= {writer, onward}
            try:
                await asyncio.wait(
                    [asyncio.create_task(_pass(reader, onward)), asyncio.create_task(_pass(beyond, writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                self._ends -= {writer, onward}
                onward.transport.abort()
        return writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def relayed(target: int) -> AsyncIterator[Relay]:
    """Run a relay before a port of this machine."""
    relay = Relay(target)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
