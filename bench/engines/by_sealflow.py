"""Our Sealer: the real workflow on a real Temporal server, with activities that do nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.engines.contender import Contender
from bench.engines.work import FOR_EVER, HELD_FROM
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.values import SectorId
from tests.world.stage import Part, Stage
from workers.assembly import STICKY
from workers.runner import WORKFLOWS, runner

MIDDLE, NEXT = "pc1", "pc2"
"""What a held sector is killed in, and what comes then. The server misses the worker by the heartbeat's timeout, which
is nearly all that passes until the chain goes on; a real PC1 computes meanwhile, for its job outlives the worker."""


class Sectors(dict[SectorId, Part]):
    """The stage's sectors, also those that another process has begun."""

    def __init__(self, engine: Engine) -> None:
        """Take whose they are."""
        super().__init__()
        self.engine = engine

    def __missing__(self, known: SectorId) -> Part:
        """Return what a sector does that this process has not begun."""
        return self.engine.part(known.number)


class Engine(Contender):
    """Two workers as a fleet has them, and the client that begins sectors."""

    stage: Stage

    @property
    def patience(self) -> timedelta | None:
        """How long the server waits for a worker that was killed, where a test cannot wait as long as the product."""
        seconds = self.settings.get("patience")
        return timedelta(seconds=seconds) if seconds else None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve both queues, on which the server gives out what was under way when it misses its end."""
        client = await Client.connect(self.settings["temporal"], data_converter=pydantic_data_converter)
        miner = self.settings["miner"]
        self.stage = Stage(client, miner, f"fleet-{miner}", f"machine-{miner}", Sectors(self))
        fleet = self.stage.worker(
            self.stage.fleet,
            workflows=WORKFLOWS,
            workflow_runner=runner(),
            sticky_queue_schedule_to_start_timeout=self.patience or STICKY,
        )
        async with fleet, self.stage.worker(self.stage.machine):
            yield

    async def chain(self, number: int) -> None:
        """Seal a sector."""
        part = await self.part(number).start()
        await part.handle.result()
        del self.stage.parts[part.given.sector.id]

    def part(self, number: int) -> Part:
        """Return a sector, held where it is to be."""
        more: dict[str, Any] = {"heartbeat_timeout": self.patience} if self.patience else {}
        part = self.stage.part(SEALER, State.Allocated, number=number, **more)
        if number >= HELD_FROM:
            for step, activity in enumerate((MIDDLE, NEXT), start=self.work.middle):
                part.always[activity] = partial(self._held, number, step)
        return part

    async def _held(self, number: int, step: int) -> None:
        if self.work.held(number, step):
            await asyncio.sleep(FOR_EVER)
