"""Restate: a handler with a durable block for each step, called through the server's ingress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import hypercorn
import restate
from hypercorn.asyncio import serve

from bench.engines.contender import Contender
from bench.engines.work import FOR_EVER
from workers.devserver import LOOPBACK

AT_ONCE = 100
UNLIMITED = (1 << 31) - 1


class Engine(Contender):
    """The handler's process, which the server calls by HTTP/2."""

    http: httpx.AsyncClient

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve the handler, and tell the server where it is; what was under way the server calls again."""
        service = restate.Service("Chain")
        service.handler("run")(self._run)
        config = hypercorn.Config()
        config.bind = [f"{LOOPBACK}:{self.settings['restate_service']}"]
        config.h2_max_concurrent_streams = config.keep_alive_max_requests = UNLIMITED
        config.keep_alive_timeout = UNLIMITED
        stop = asyncio.Event()
        served = asyncio.create_task(serve(restate.app([service]), config, shutdown_trigger=stop.wait))
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with httpx.AsyncClient(limits=limits, timeout=None) as self.http:  # noqa: S113 - a held chain never ends
            await self._register()
            yield
        stop.set()
        served.cancel()

    async def chain(self, number: int) -> None:
        """Call the handler and wait for its answer."""
        answer = await self.http.post(f"{self.settings['restate']}/Chain/run", json=number)
        answer.raise_for_status()

    async def _run(self, ctx: restate.Context, number: int) -> None:
        for step, result in enumerate(self.work.results):
            await ctx.run_typed("step", self._step, restate.RunOptions(), number, step, result)

    async def _step(self, number: int, step: int, result: str) -> str:
        if self.work.held(number, step):
            await asyncio.sleep(FOR_EVER)
        return result

    async def _register(self) -> None:
        """Tell the server of this process, which it forgets with its own folder only."""
        deployments = f"{self.settings['restate_admin']}/deployments"
        if (await self.http.get(deployments)).json()["deployments"]:
            return
        where = f"http://{LOOPBACK}:{self.settings['restate_service']}"
        (await self.http.post(deployments, json={"uri": where})).raise_for_status()
