"""DBOS on PostgreSQL: one workflow, with a step for each of the chain's, as coroutines or as plain functions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from dbos import DBOS, SetWorkflowID

from bench.engines.contender import Contender
from bench.engines.work import FOR_EVER

CONNECTIONS = 20
"""DBOS's own default."""
THREADS = 64


class Engine(Contender):
    """DBOS in this process: it needs no server of its own."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Launch DBOS, which takes up the workflows that are pending."""
        work = self.work

        async def step(chain: int, number: int) -> str:
            if work.held(chain, number):
                await asyncio.sleep(FOR_EVER)
            return work.results[number]

        def plain_step(chain: int, number: int) -> str:
            if work.held(chain, number):
                time.sleep(FOR_EVER)
            return work.results[number]

        async_step, sync_step = DBOS.step(name="step")(step), DBOS.step(name="plain_step")(plain_step)

        async def steps(chain: int) -> None:
            for number in range(len(work.results)):
                await async_step(chain, number)

        def plain_steps(chain: int) -> None:
            for number in range(len(work.results)):
                sync_step(chain, number)

        DBOS(
            config={
                "name": "bench",
                "system_database_url": self.settings["postgres"],
                "sys_db_pool_size": CONNECTIONS,
                "application_version": "bench",
                "log_level": "ERROR",
            }
        )
        self.steps = DBOS.workflow(name="steps")(steps)
        self.plain_steps = DBOS.workflow(name="plain_steps")(plain_steps)
        DBOS.launch()
        with ThreadPoolExecutor(THREADS) as self.threads:
            yield
        DBOS.destroy()

    async def chain(self, number: int) -> None:
        """Run a workflow whose id is the chain's number."""
        if self.settings["plain"]:
            await asyncio.get_running_loop().run_in_executor(self.threads, self._plain, number)
            return
        with SetWorkflowID(str(number)):
            await self.steps(number)

    def _plain(self, number: int) -> None:
        with SetWorkflowID(str(number)):
            self.plain_steps(number)
