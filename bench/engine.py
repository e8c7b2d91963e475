"""Our Sealer against a bare workflow: sectors a second, CPU a sector, and round trips, with no work in the steps.

Run by ``make bench-engine``. A real Temporal development server; the activities do nothing, so that what is left is
the engine and what our workflow adds to it. The bare workflow runs as many activities that do nothing, one after the
other, on a fleet's and a machine's queue as ours does.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.bare import Bare, nothing
from bench.cpu import cpu
from bench.spread import spread
from bench.trips import Trips, trips_of
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from tests.world.stage import Stage, staged
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

ROUNDS = 5
SECTORS, AT_ONCE = 100, 50
_numbers = itertools.count(1)


@dataclass
class Round:
    """What one round took: sectors a second, and CPU milliseconds a sector of this process and of the server."""

    rate: float
    worker: float
    server: float


async def many(one: Callable[[], Awaitable[object]], count: int) -> None:
    """Run so many, some of them at once."""
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn() -> None:
        async with room:
            await one()

    await asyncio.gather(*(in_turn() for _ in range(count)))


async def measured(one: Callable[[], Awaitable[object]], pid: int) -> Round:
    """Run many, and return what they took."""
    began, worker, server = time.perf_counter(), time.process_time(), cpu(pid)
    await many(one, SECTORS)
    spent = 1000 / SECTORS
    return Round(
        SECTORS / (time.perf_counter() - began),
        (time.process_time() - worker) * spent,
        (cpu(pid) - server) * spent,
    )


async def ours(stage: Stage) -> str:
    """Seal a sector, and return its workflow's id."""
    part = await stage.part(SEALER, State.Allocated).start()
    await part.ended()
    return part.given.workflow_id


async def bare(stage: Stage, where: str) -> None:
    """Run a bare workflow."""
    arguments = [f"bare-{stage.fleet}", f"bare-{stage.machine}", where]
    name = f"bare-{stage.miner}-{next(_numbers)}"
    await stage.client.execute_workflow(Bare.run, args=arguments, id=name, task_queue=arguments[0])


async def compare(client: Client, pid: int) -> None:
    """Print both, round by round in turns, and the ratio."""
    async with staged(client) as stage:
        history = await client.get_workflow_handle(await ours(stage)).fetch_history()
        trips = trips_of(history, stage.fleet)
        fleet = Worker(
            client,
            task_queue=f"bare-{stage.fleet}",
            workflows=[Bare],
            activities=[nothing],
            workflow_runner=UnsandboxedWorkflowRunner(),  # as ours
        )
        machine = Worker(client, task_queue=f"bare-{stage.machine}", activities=[nothing])
        async with fleet, machine:
            await bare(stage, trips.where)
            rounds: dict[str, list[Round]] = {"ours": [], "bare": []}
            for _ in range(ROUNDS):
                rounds["ours"].append(await measured(lambda: ours(stage), pid))
                rounds["bare"].append(await measured(lambda: bare(stage, trips.where), pid))
    _tell(trips, rounds)


def _tell(trips: Trips, rounds: dict[str, list[Round]]) -> None:
    sys.stdout.write(
        f"a sector: {trips.calls} steps and reports, {trips.local} of them local; {trips.tasks} workflow tasks, "
        f"{trips.activities} activities: {trips.share:.0%} of one activity for each; {trips.events} events, "
        f"{trips.bytes} bytes\n"
    )
    for name, each in rounds.items():
        rates = sorted(one.rate for one in each)
        worker, server = (statistics.median(getattr(one, of) for one in each) for of in ("worker", "server"))
        sys.stdout.write(
            f"{name:6} {statistics.median(rates):6.2f} a second ({rates[0]:.2f} to {rates[-1]:.2f}); "
            f"CPU a sector: worker {worker:.0f} ms, server {server:.0f} ms\n"
        )
    ratios = [one.rate / other.rate for one, other in zip(rounds["ours"], rounds["bare"], strict=True)]
    sys.stdout.write(f"ours / bare: {spread(ratios)}\n")


async def main() -> None:
    """Measure."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        async with DevServer(Path(name), ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            await compare(client, int((Path(name) / "temporal.pid").read_text()))


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
