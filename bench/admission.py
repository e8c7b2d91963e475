"""How much of the time a GPU is in use that PC2 and C2 share, and how long sixty sectors take, in two orders of turns.

Run by ``make bench-admission``. One hour takes one second: PC1 4 h in 14 slots, PC2 25 min, C2 16 min, an epoch
of 30 s. A real Temporal development server, worker and embedded manager; the processor is the simulated one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.fleet.rules import FirstCome
from bench.spread import spread
from sealing.processors import admission as product
from sealing.processors.admission import Admission
from tests.world.plant import Plant, plant
from workers.assembly import serving, start_threads
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

ROUNDS = 5
SECTORS = 60
HOUR = 1.0
MINUTE = HOUR / 60
EPOCH = MINUTE / 2
SLOTS = 14
TIMES = {"pc1": 4 * HOUR, "pc2": 25 * MINUTE, "c2": 16 * MINUTE}
LOOK_AGAIN = 0.002
"""Seconds between two looks at who holds the GPU."""

PROCESSORS = f"""\
[processors.limitation.concurrent]
pc1 = {SLOTS}
[processors.ext_locks]
gpu = 1
[[processors.pc2]]
locks = ["gpu"]
[[processors.c2]]
locks = ["gpu"]
"""


@dataclass
class Gpu:
    """What was seen of the GPU, in seconds: first and last held, held in all, free while somebody waited."""

    first: float = 0.0
    last: float = 0.0
    held: float = 0.0
    kept_waiting: float = 0.0
    _seen: float = field(default_factory=time.perf_counter)

    def look(self, admission: Admission) -> None:
        """Count the time since the last look for what is there now."""
        now = time.perf_counter()
        since, self._seen = now - self._seen, now
        board = admission.board
        if any(lock.used for lock in board.locks):
            self.first = self.first or now
            self.last = now
            self.held += since
        elif any(waiting.stage in {"pc2", "c2"} for waiting in board.waiting):
            self.kept_waiting += since

    async def watch(self, admission: Admission) -> None:
        """Look again and again."""
        while True:
            self.look(admission)
            await asyncio.sleep(LOOK_AGAIN)


async def seal_all(client: Client, folder: Path, sectors: int = SECTORS) -> tuple[float, Gpu]:
    """Seal all sectors on one machine, and return the seconds that it took and what was seen of the GPU."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    chain: dict[str, Any] = {"epoch_seconds": EPOCH, "seed_delay": 150}
    async with plant(client, folder, sectors=sectors, threads=sectors, processors=PROCESSORS, **chain) as built:
        built.patience = 600
        built.simulate(**{stage: {"seconds": seconds} for stage, seconds in TIMES.items()})
        built.untapped(ping_interval="60s")
        return await run(built, sectors)


async def run(built: Plant, sectors: int) -> tuple[float, Gpu]:
    """Run the worker until all sectors are finished."""
    gpu, began = Gpu(), time.perf_counter()
    simulated = {"SEALFLOW_SIMULATED": str(built.folder / "simulated.json")}
    with patch.dict(os.environ, simulated):
        async with serving(built.config, built.client) as admission:
            watch = asyncio.create_task(gpu.watch(admission))
            await start_threads(built.config, built.client)
            await asyncio.gather(*(built.finished(number) for number in range(1, sectors + 1)))
            watch.cancel()
    return time.perf_counter() - began, gpu


@contextmanager
def first_come() -> Iterator[None]:
    """Have whoever came first go first."""
    with patch.object(product, "Turns", FirstCome):
        yield


ORDERS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "who is furthest on goes first": nullcontext,
    "first come, first served": first_come,
}


def tell(order: str, rounds: Sequence[tuple[float, Gpu]]) -> None:
    """Print what came of an order."""
    spans = [gpu.last - gpu.first for _, gpu in rounds]
    held = [100 * gpu.held / span for (_, gpu), span in zip(rounds, spans, strict=True)]
    waited = [100 * gpu.kept_waiting / span for (_, gpu), span in zip(rounds, spans, strict=True)]
    sys.stdout.write(
        f"{order}: {SECTORS} sectors in {spread([seconds for seconds, _ in rounds], 1)} s\n"
        f"  from its first to its last task, {spread(spans, 1)} s, the GPU was held {spread(held, 1)} % of the time, "
        f"and free while a task waited for it {spread(waited, 1)} %\n"
    )


async def main() -> None:
    """Measure with the order of the product, and with that of coming, in turns."""
    logging.disable(logging.WARNING)
    computing = SECTORS * (TIMES["pc2"] + TIMES["c2"])
    sys.stdout.write(f"the GPU's own work is {computing:.1f} s; {ROUNDS} rounds\n")
    rounds: dict[str, list[tuple[float, Gpu]]] = {name: [] for name in ORDERS}
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            for number in range(ROUNDS):
                for order, rule in ORDERS.items():
                    with rule():
                        rounds[order].append(await seal_all(client, folder / f"{number} {order}"))
    for order, each in rounds.items():
        tell(order, each)


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
