"""The embedded manager over HTTP: one process, or inside the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hmac
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sealing.addresses import RPC_PATH
from sealing.devnet.chain import Chain, Clock
from sealing.devnet.config import DevnetConfig
from sealing.devnet.database import Database, connect, open_chain
from sealing.devnet.dispatch import Handlers, dispatch
from sealing.devnet.manager import DevnetManager
from sealing.devnet.stores import Stores
from sealing.devnet.verifier import Verifier
from sealing.manager.client import IDEMPOTENCY_KEY

log = logging.getLogger(__name__)

MAX_BODY = 4 << 20
"""Bytes of a request; the largest that a worker sends is a proof, a few kilobytes."""
STOP_SECONDS = 5
"""How long calls under way may go on when the server stops."""
LOCK = "lock"


def application(handlers: Handlers, token: str | None) -> Starlette:
    """Return the HTTP application that answers the manager's methods."""

    async def rpc(request: Request) -> Response:
        if not _allowed(request, token):
            return PlainTextResponse("a bearer token is needed\n", 401, {"WWW-Authenticate": "Bearer"})
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        if body is None:
            return PlainTextResponse(f"the request is larger than {MAX_BODY} bytes\n", 413, {"Connection": "close"})
        status, answer = await dispatch(handlers, body, request.headers.get(IDEMPOTENCY_KEY))
        return Response(answer, status, media_type="application/json")

    return Starlette(routes=[Route(RPC_PATH, rpc, methods=["POST"])])


def _allowed(request: Request, token: str | None) -> bool:
    if token is None:
        return True
    given = request.headers.get("Authorization", "").encode(errors="replace")
    return hmac.compare_digest(given, f"Bearer {token}".encode())


async def _body(request: Request) -> bytes | None:
    """Return the request's body, or None where it is too large; no more than that is ever held."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


class _Quiet(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


class DevnetServer:
    """The embedded manager, running while the ``async with`` lasts. ``address`` is where, also for port 0."""

    address: str
    chain: Chain

    def __init__(self, config: DevnetConfig, verifier: Verifier, clock: Clock = time.time) -> None:
        """Take the settings, who verifies proofs, and the chain's clock."""
        self.config = config
        self._verifier = verifier
        self._clock = clock
        self._resources = contextlib.ExitStack()
        self._server: _Quiet
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Start, and return when calls are answered.

        Raises OSError for a port or a data folder that cannot be used, ValueError for another chain's data folder,
        sqlite3.DatabaseError for a broken database, each with what to do.
        """
        with contextlib.ExitStack() as resources:
            handlers = self._open(resources)
            listener = resources.enter_context(_listen(self.config.host, self.config.port))
            self._server = _Quiet(
                uvicorn.Config(
                    application(handlers, self.config.token),
                    http="h11",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    timeout_graceful_shutdown=STOP_SECONDS,
                )
            )
            self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="devnet")
            resources.callback(self._task.cancel)
            while not (self._server.started or self._task.done()):  # noqa: ASYNC110 - uvicorn offers no event for it
                await asyncio.sleep(0.005)
            if self._task.done():
                self._task.result()
            host, port = listener.getsockname()[:2]
            self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            self._resources = resources.pop_all()
        log.info("embedded manager ready at %s, head %d", self.address, self.chain.head())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: calls under way end first, for some seconds at most."""
        with self._resources:
            self._server.should_exit = True
            await self._task
        log.info("embedded manager at %s stopped", self.address)

    def _open(self, resources: contextlib.ExitStack) -> Handlers:
        stores = Stores(self.config.stores)
        self.config.data.mkdir(parents=True, exist_ok=True)
        resources.enter_context(_held(self.config.data))
        link = connect(self.config.data)
        database = Database(link)
        resources.callback(database.close)
        self.chain = open_chain(link, self.config, self._clock)
        return DevnetManager(self.chain, database, stores, self._verifier).handlers()


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


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        msg = f"cannot listen on {host}:{port} ({error.strerror or error}): choose another port or host"
        raise OSError(error.errno, msg) from error


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
