"""A Temporal server at one address, whose database a test takes away, or puts an older one in its place."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import LOOPBACK, DevServer, pick_port


class Database:
    """The server, on one of the databases that are in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; nothing runs yet."""
        self._folder = folder
        self._port = pick_port(None)
        self._running = AsyncExitStack()

    async def use(self, name: str) -> None:
        """Run the server on a database, a new one if there is none of that name."""
        await self.stop()
        server = DevServer(self._folder / name, ATTRIBUTE_TYPES, port=self._port, ui_port=None, headless=True)
        await self._running.enter_async_context(server)
        assert server.address == f"{LOOPBACK}:{self._port}", "somebody has taken the port meanwhile"

    async def stop(self) -> None:
        """End the server."""
        await self._running.aclose()

    async def back_up(self, name: str, to: str) -> None:
        """Copy a database, as it is, to another name; the server stands still for that."""
        await self.stop()
        shutil.copytree(self._folder / name, self._folder / to)
        await self.use(name)

    async def client(self) -> Client:
        """Return a client, which finds the server again whichever database it is on."""
        return await Client.connect(f"{LOOPBACK}:{self._port}", data_converter=pydantic_data_converter)


@asynccontextmanager
async def database(folder: Path, name: str) -> AsyncIterator[Database]:
    """Run a server on a new database."""
    made = Database(folder)
    try:
        await made.use(name)
        yield made
    finally:
        await made.stop()
