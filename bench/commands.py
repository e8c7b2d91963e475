"""How long a command takes from the signal to its effect: one sector, fifty at once, a thousand by one query.

Run by ``make bench-commands``. A real Temporal development server, worker, embedded manager and command line; the
processor is the simulated one, for what is measured is not computing.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.sector import Home, Memory, Sector, SectorInput
from sealing.values import Submission, Ticket
from tests.operate.command import sealflow
from tests.world.plant import Plant, plant, working
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer
from workflows import attributes
from workflows.sealer import Sealer

ROUNDS = 30
AT_ONCE = 50
MANY = 1000


async def effect(built: Plant, number: int) -> float:
    """Resume a parked sector by a signal, and return the seconds until a query shows that it stands still no more."""
    began = time.perf_counter()
    await built.sector(number).signal("resume")
    while (await built.status(number)).halted:
        pass
    return time.perf_counter() - began


async def few(client: Client, folder: Path) -> None:
    """Measure one at a time, and many at once. PC2 fails for ever, so that each sector parks again and again."""
    async with plant(client, folder, sectors=AT_ONCE, threads=AT_ONCE) as built:
        built.patience = 600
        built.simulate(pc2={"fail": "broken", "times": 1_000_000})
        async with working(built):
            for number in range(1, AT_ONCE + 1):
                await built.parked(number)
            alone = []
            for _ in range(ROUNDS):
                alone.append(await effect(built, 1))
                await built.parked(1)
            together = await asyncio.gather(*(effect(built, number) for number in range(1, AT_ONCE + 1)))
    tell(f"one parked sector, {ROUNDS} times, one after the other", alone)
    tell(f"{AT_ONCE} parked sectors at once", together)


def tell(what: str, seconds: list[float]) -> None:
    """Print the spread of times."""
    figures = [1000 * value for value in (statistics.median(seconds), min(seconds), max(seconds))]
    sys.stdout.write("{}: median {:.0f} ms, {:.0f} to {:.0f} ms\n".format(what, *figures))


async def parked(client: Client, built: Plant) -> None:
    """Start a task that stands still in PCSubmitted, as if it had been parked there."""
    config = built.config
    async with Manager(config.sector_manager.rpc_client.addr) as manager:
        given = await manager.allocate_sector((), ())
    assert given is not None  # noqa: S101 - the embedded manager was told to have so many
    home = Home(worker=config.worker.name, location=str(config.sealing_thread[0].location))
    digest = "0" * 63 + "1"
    sector = Sector(
        home=home,
        id=given.id,
        proof_type=given.proof_type,
        deals=(),
        pieces=(),
        ticket=Ticket(ticket=digest, epoch=1),
        comm_r=digest,
        comm_d=digest,
        precommit_sent=Submission(digest=digest),
    )
    now = datetime.now(UTC)
    memory = Memory(stays=(), previous=State.PC2Done, event="SubmitPC", since=now, halted=True, failure=None)
    task = SectorInput(
        flow=SEALER.name,
        flow_version=SEALER.version,
        state=State.PCSubmitted,
        sector=sector,
        settings=config.thread_settings(0),
        memory=memory,
    )
    await client.start_workflow(
        Sealer.run,
        task,
        id=task.workflow_id,
        task_queue=config.temporal.task_queue,
        search_attributes=attributes.first(task),
    )


async def are_parked(client: Client, ours: str, count: int) -> bool:
    """Tell whether so many are found parked."""
    return (await client.count_workflows(f"{ours} true")).count == count


async def many(client: Client, folder: Path) -> None:
    """Measure one command line that resumes a thousand, until the last of them is moving."""
    async with plant(client, folder, sectors=MANY, landed_after=10_000_000) as built:
        built.patience = 600
        ours = f"SealWorker = '{built.config.worker.name}' AND Parked = "
        toml = built.file.read_text().replace('rpc_polling_interval = "50ms"', 'rpc_polling_interval = "60s"')
        built.file.write_text(toml.replace("[[sealing_thread]]", "[[sealing_thread]]\nsealing.seal_interval = '1h'"))
        async with working(built):
            turn = asyncio.Semaphore(AT_ONCE)

            async def one() -> None:
                async with turn:
                    await parked(client, built)

            await asyncio.gather(*(one() for _ in range(MANY - 1)))
            await built.until(partial(are_parked, client, ours, MANY - 1), "all to be found parked")
            began = time.perf_counter()
            ran = await sealflow(built, "sector", "resume", "--where", f"{ours} true", "--yes")
            answered = time.perf_counter() - began
            await built.until(partial(are_parked, client, ours, 0), "all to move")
            moving = time.perf_counter() - began
    done = len(ran.out.splitlines())
    sys.stdout.write(
        f"{done} parked sectors by one query: answered in {answered:.1f} s, all moving in {moving:.1f} s"
        f" (status {ran.status})\n"
    )


async def main() -> None:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            for measure in (few, many):
                part = folder / measure.__name__
                part.mkdir()
                await measure(client, part)


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
