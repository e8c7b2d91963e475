"""How long a command takes from the signal to its effect: one sector, fifty at once, a thousand by one query.

Run by ``make bench-commands``. A real Temporal development server, worker, embedded manager and command line; the
processor is the simulated one, for what is measured is not computing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.standing import AT_ONCE, are_parked, park, parked_on
from tests.operate.command import sealflow
from tests.world.plant import Plant, plant
from workers.assembly import serving
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer
from workers.observability import unmeasured
from workers.operate import looking, orders
from workflows.commands import Kind
from workflows.status import Status

ROUNDS = 30
REPEATS = 5
MANY = 1000
LOOK_AGAIN = 0.03
"""Seconds between two queries."""


async def effect(client: Client, workflow_id: str) -> float:
    """Resume a parked sector by a signal, and return the seconds until a query shows that it stands still no more."""
    handle = client.get_workflow_handle(workflow_id)
    began = time.perf_counter()
    await handle.signal("resume")
    while (await looking.ask(client, workflow_id, "status", Status)).halted:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(LOOK_AGAIN)
    return time.perf_counter() - began


async def pause(client: Client, workflow_ids: list[str]) -> None:
    """Let sectors stand still again."""
    done = [answer async for _, answer in orders.give_all(client, workflow_ids, orders.order(Kind.pause))]
    assert not any(isinstance(answer, orders.OrderError) for answer in done), done  # noqa: S101 - or the figure is void


async def few(client: Client, built: Plant) -> None:
    """Measure one at a time, and many at once."""
    ids = await park(client, built, AT_ONCE)
    alone = []
    for _ in range(ROUNDS):
        alone.append(await effect(client, ids[0]))
        await pause(client, ids[:1])
    tell(f"one parked sector, {ROUNDS} times, one after the other", alone)
    worst = []
    for _ in range(REPEATS):
        together = await asyncio.gather(*(effect(client, each) for each in ids))
        worst.append(max(together))
        await pause(client, ids)
    tell(f"{AT_ONCE} parked sectors at once, until the last of them, {REPEATS} times", worst)


def tell(what: str, seconds: list[float]) -> None:
    """Print the spread of times."""
    figures = [1000 * value for value in (statistics.median(seconds), min(seconds), max(seconds))]
    sys.stdout.write("{}: median {:.0f} ms, {:.0f} to {:.0f} ms\n".format(what, *figures))


async def many(client: Client, built: Plant) -> None:
    """Measure one command line that resumes a thousand, until the last of them is moving."""
    await park(client, built, MANY)
    began = time.perf_counter()
    ran = await sealflow(built, "sector", "resume", "--where", parked_on(built), "--yes")
    answered = time.perf_counter() - began
    await built.until(partial(are_parked, client, built, 0), "all to move")
    moving = time.perf_counter() - began
    sys.stdout.write(
        f"{len(ran.out.splitlines())} parked sectors by one query: answered in {answered:.1f} s, all found moving in "
        f"{moving:.1f} s (status {ran.status})\n"
    )


async def measure(client: Client, folder: Path, what: Callable[[Client, Plant], Awaitable[None]]) -> None:
    """Build a plant whose chain never moves and whose threads ask for nothing, and measure on it."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    async with plant(client, folder, sectors=MANY + AT_ONCE, landed_after=10_000_000) as built:
        built.patience = 600
        built.untapped(rpc_polling_interval="60s", ping_interval="60s")
        # Without its threads: they would seal the sectors that are measured on.
        async with serving(built.config, client):
            await what(client, built)


async def main() -> None:
    """Measure all of it."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            # Its core would write warnings of what is let go of where the figures are to stand.
            client = await Client.connect(server.address, data_converter=pydantic_data_converter, runtime=unmeasured())
            await measure(client, folder / "few", few)
            await measure(client, folder / "many", many)


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
