"""The embedded manager over HTTP: one process, or inside the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from starlette.types import ASGIApp

from sealing.addresses import RPC_PATH
from sealing.devnet.chain import Chain, Clock
from sealing.devnet.config import DevnetConfig
from sealing.devnet.database import Database, connect, open_chain
from sealing.devnet.faults import book
from sealing.devnet.faults.surround import Surround
from sealing.devnet.hold import Holding
from sealing.devnet.manager import DevnetManager
from sealing.devnet.piecestore import PieceStore, piece_route
from sealing.devnet.stores import Stores
from sealing.devnet.verifier import Verifier
from sealing.jsonrpc.access import Access
from sealing.jsonrpc.server import JsonRpcServer, application

log = logging.getLogger(__name__)

LOCK = "lock"


class DevnetServer:
    """The embedded manager, running while the ``async with`` lasts. ``address`` is where, also for port 0."""

    address: str
    chain: Chain
    holding: Holding

    def __init__(self, config: DevnetConfig, verifier: Verifier, clock: Clock = time.time) -> None:
        """Take the settings, who verifies proofs, and the chain's clock."""
        self.config = config
        self._verifier = verifier
        self._clock = clock
        self._resources = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start, and return when calls are answered.

        Raises OSError for a port or a data folder that cannot be used, ValueError for another chain's data folder,
        sqlite3.DatabaseError for a broken database, each with what to do.
        """
        async with contextlib.AsyncExitStack() as resources:
            service = JsonRpcServer(await self._open(resources), self.config.host, self.config.port)
            self.address = (await resources.enter_async_context(service)).address
            resources.callback(self.holding.end)  # before the service, which waits for its calls
            self._resources = resources.pop_all()
        log.info("embedded manager ready at %s, head %d", self.address, self.chain.head())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: calls under way end first, for some seconds at most."""
        await self._resources.aclose()
        log.info("embedded manager at %s stopped", self.address)

    async def _open(self, resources: contextlib.AsyncExitStack) -> ASGIApp:
        stores = Stores(self.config.stores)
        self.config.data.mkdir(parents=True, exist_ok=True)
        resources.enter_context(_held(self.config.data))
        link = connect(self.config.data)
        database = Database(link)
        resources.callback(database.close)
        self.chain = open_chain(link, self.config, self._clock)
        await database.run(lambda tx: book.configure(tx, self.config.faults, self.chain.clock()))
        surround, access = Surround(self.chain, database), Access(self.config.bearer(), self.config.allowed_addresses)
        pieces = piece_route(PieceStore(self.config.data), access)
        self.holding = Holding(self.chain)
        manager = DevnetManager(self.chain, database, stores, self._verifier)
        handlers = surround.calls(self.holding.handlers(surround.answers(manager.handlers())))
        return surround.application(application(handlers, RPC_PATH, access, pieces))


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other embedded managers away from a data folder."""
    held = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"{folder} is in use by another embedded manager: stop that, or name another data folder"
            raise OSError(msg) from error
        yield
    finally:
        os.close(held)


async def serve(config: DevnetConfig, verifier: Verifier, ready: Callable[[str], None] | None = None) -> None:
    """Run the embedded manager until SIGINT or SIGTERM; ``ready`` is told its address when it answers."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with DevnetServer(config, verifier) as server:
            if ready is not None:
                ready(server.address)
            await stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def run_devnet(config: DevnetConfig, verifier: Verifier, ready: Callable[[str], None] | None = None) -> None:
    """Run the embedded manager in this process until SIGINT or SIGTERM. Raises as ``DevnetServer`` does."""
    asyncio.run(serve(config, verifier, ready))
