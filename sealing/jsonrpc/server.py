"""A JSON-RPC service over HTTP, in the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Iterator
from http import HTTPStatus
from typing import Any, Self, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sealing.jsonrpc.access import OPEN, Access, guarded, refused
from sealing.jsonrpc.dispatch import IDEMPOTENCY_KEY, Handlers, dispatch
from sealing.jsonrpc.errors import Unanswered
from sealing.jsonrpc.preference import APPLIED, PREFER, Preference, wait_of, waiting

R = TypeVar("R")

MAX_BODY = 4 << 20
"""Bytes of a request; the largest that a worker sends is a proof, a few kilobytes."""
BODY_SECONDS = 30.0
"""How long a request's body may take to come."""
IDLE_SECONDS = 30.0
"""How long a connection may be open without a request; between two requests it is some seconds, uvicorn's own."""
MAX_CONNECTIONS = 256
"""Connections at once; more are cut as they come."""
STOP_SECONDS = 5
"""How long calls under way may go on when the server stops."""
_CUT = "sealflow.cut"
"""The key in a call's scope of what cuts the connection of a client."""


def application(handlers: Handlers, path: str, access: Access = OPEN, *beside: Route) -> Starlette:
    """Return the HTTP application that answers the methods of ``handlers`` at ``path``, and the routes ``beside``."""

    async def rpc(request: Request) -> Response:
        body = await body_of(request, MAX_BODY)
        if isinstance(body, Response):
            return body
        preference = Preference(wait_of(request.headers.getlist(PREFER)))
        call = dispatch(handlers, body, request.headers.get(IDEMPOTENCY_KEY), preference)
        try:
            status, answer = await (while_heard(request, call, preference) if preference.wait else call)
        except Unanswered:
            return HangUp()
        headers = {APPLIED: waiting(preference.applied)} if preference.applied else None
        return Response(answer, status, headers, media_type="application/json")

    return Starlette(routes=[Route(path, guarded(rpc, access), methods=["POST"]), *beside])


async def while_heard(request: Request, call: Coroutine[Any, Any, R], preference: Preference) -> R:
    """Return what a call gives. If it is held, it ends when the caller goes away. Raises Unanswered then."""
    running = asyncio.create_task(call)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            if preference.applied:
                raise Unanswered
            preference.wait = 0  # whatever it is at before it is held, nobody waits any more
        return await running
    finally:
        gone.cancel()
        running.cancel()


async def _gone(request: Request) -> None:
    """Wait until the caller of a request that has been read goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Cut the connection of a call, which gets no answer."""
    scope[_CUT](scope["client"])
    while (await receive())["type"] != "http.disconnect":
        pass


class HangUp(Response):
    """No answer: the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - nothing is sent
        """Cut it."""
        await hang_up(scope, receive)


async def body_of(request: Request, limit: int) -> bytes | Response:
    """Return the request's body; no more than ``limit`` bytes are ever held. Else the answer that says why not."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request is larger than {limit} bytes")
    except TimeoutError:
        return refused(HTTPStatus.REQUEST_TIMEOUT, f"the request did not come within {BODY_SECONDS:g} s")
    except ClientDisconnect:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it
    return bytes(body)


class _Bounded(H11Protocol):
    """A connection that is cut when it asks for nothing: what hangs here would take files that sealing needs."""

    _look: asyncio.TimerHandle | None = None
    _seen: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take it, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._look = self.loop.call_later(IDLE_SECONDS, self._look_after)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_after(self) -> None:
        """Cut it where no request was under way since the last look."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is self._seen:
            self.transport.abort()
            return
        self._seen = self.cycle
        self._look = self.loop.call_later(IDLE_SECONDS, self._look_after)


class _Quiet(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


class JsonRpcServer:
    """A service that runs while the ``async with`` lasts. ``address`` is where, also for port 0.

    Raises OSError for a port that cannot be used, with what to do.
    """

    address: str
    port: int

    def __init__(self, application: ASGIApp, host: str, port: int) -> None:
        """Take what answers, and where."""
        self._application = application
        self._host, self._port = host, port
        self._listener: socket.socket
        self._server: _Quiet
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Start, and return when calls are answered."""
        self._listener = _listen(self._host, self._port)
        self._server = _Quiet(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                http=_Bounded,
                # Whoever calls is who is connected: a header of the caller's own must not say otherwise.
                proxy_headers=False,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="json-rpc")
        while not (self._server.started or self._task.done()):  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.005)
        if self._task.done():
            self._listener.close()
            self._task.result()
        host, self.port = self._listener.getsockname()[:2]
        self.address = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: calls under way end first, for some seconds at most."""
        self._server.should_exit = True
        try:
            await self._task
        finally:
            self._listener.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_CUT] = self._cut
        await self._application(scope, receive, send)

    def _cut(self, client: tuple[str, int]) -> None:
        for connection in self._server.server_state.connections:
            if isinstance(connection, H11Protocol) and connection.client == client:
                connection.transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        msg = f"cannot listen on {host}:{port} ({error.strerror or error}): choose another port or host"
        raise OSError(error.errno, msg) from error
    # Connections have it from here. asyncio sets it only for sockets that name TCP as their protocol, which these do
    # not; without, an answer's body waits for the client's word on its head, for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
