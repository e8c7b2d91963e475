"""A wire between worker and manager that a test can tap: answers replaced, lost or delayed, every call noted."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PASSED_ON = ("idempotency-key", "authorization", "content-type", "prefer")
PASSED_BACK = ("preference-applied",)


Hook = Callable[[str, list[Any]], Awaitable[None]]


async def nothing(method: str, params: list[Any]) -> None:
    """Let a call pass."""


class Proxy:
    """Stands before the manager. ``answers`` holds, by method, what to say instead, each once, in order."""

    def __init__(self, target: str) -> None:
        """Stand before the manager at ``target``."""
        self.target = target
        self.http = httpx.AsyncClient(timeout=60)
        self.address = ""
        self.calls: list[tuple[str, list[Any]]] = []
        self.answers: dict[str, deque[Any]] = defaultdict(deque)
        self.lose: dict[str, int] = defaultdict(int)
        """By method, how many answers to lose after the manager has done what was asked."""
        self.away = False
        """Answer every call with HTTP 503."""
        self.before: Hook = nothing
        """Called with each method and its params before the manager gets them."""
        self.after: Hook = nothing
        """The same, after the manager has done what was asked, and before the answer goes back."""

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return sum(name == method for name, _ in self.calls)

    async def handle(self, request: Request) -> Response:
        """Pass a call on, or do what the test has asked for."""
        if self.away:
            return Response("away", 503)
        call = json.loads(await request.body())
        method = call["method"]
        self.calls.append((method, call["params"]))
        if self.answers[method]:
            return JSONResponse({"jsonrpc": "2.0", "id": call["id"], **self.answers[method].popleft()})
        await self.before(method, call["params"])
        headers = {name: value for name, value in request.headers.items() if name in PASSED_ON}
        answer = await self.http.post(self.target + "/rpc/v0", json=call, headers=headers)
        await self.after(method, call["params"])
        if self.lose[method]:
            self.lose[method] -= 1
            return Response("the answer is lost", 502)
        back = {name: value for name, value in answer.headers.items() if name in PASSED_BACK}
        return Response(answer.content, answer.status_code, back, media_type="application/json")

    async def piece(self, request: Request) -> Response:
        """Pass on a question for a piece's data."""
        if self.away:
            return Response("away", 503)
        headers = {name: value for name, value in request.headers.items() if name in {"authorization", "range"}}
        answer = await self.http.get(self.target + request.url.path, headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name == "content-range"}
        return Response(answer.content, answer.status_code, kept)


@asynccontextmanager
async def proxied(target: str) -> AsyncIterator[Proxy]:
    """Run a proxy before ``target``."""
    proxy = Proxy(target)
    try:
        routes = (Route("/rpc/v0", proxy.handle, methods=["POST"]), Route("/piecestore/{cid}", proxy.piece))
        async with served(*routes) as proxy.address:
            yield proxy
    finally:
        await proxy.http.aclose()


@asynccontextmanager
async def served(*routes: Route) -> AsyncIterator[str]:
    """Serve routes on a free port; gives the server's URL."""
    app = Starlette(routes=routes)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
        await asyncio.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await task
