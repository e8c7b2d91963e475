"""Hundreds, thousands, ten thousand sectors that stand still: what they cost, and how soon one of them moves.

Run by ``make bench-scale``. The real Temporal server on PostgreSQL, the worker as the program that it is, and an
embedded manager on whose chain nothing lands; half of the sectors are parked, half wait for their pre-commit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from matplotlib.figure import Figure
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.commands import effect, pause
from bench.engines.servers import Servers, servers
from bench.standing import are_parked, park, parked_on, stand
from deploy.stack.part import Part
from tests.operate.command import sealflow
from tests.survival.program import WorkerProgram, program
from tests.world.plant import Plant, plant

COUNTS = (100, 1000, 10_000)
ROUNDS = 20
SETTLED = 5.0
"""Seconds in which nothing is asked of the worker before its memory is read."""
PICTURE = Path(__file__).parents[1] / "docs" / "performance-scale.png"
PAGE = 1000


Spread = tuple[float, ...]


@dataclass(frozen=True)
class Seen:
    """What was measured with so many sectors: MiB, and milliseconds each as median, least and greatest."""

    sectors: int
    memory: Mapping[str, float]
    times: Mapping[str, Spread]
    all_moving: float
    """Seconds until all that were parked were found moving, by one command."""


@click.command()
@click.option("--most", default=COUNTS[-1], show_default=True, help="The most sectors.")
@click.option("--draw/--no-draw", default=True, show_default=True, help="Write docs/performance-scale.png.")
def main(most: int, *, draw: bool) -> None:
    """Measure."""
    logging.disable(logging.WARNING)
    asyncio.run(measure([count for count in COUNTS if count <= most], draw=draw))
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends


async def measure(counts: Sequence[int], *, draw: bool) -> None:
    """Measure each count on servers and a worker that know of no others."""
    seen = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # noqa: ASYNC240 - PostgreSQL runs as another user
            async with servers(folder, ["postgres", "temporal"]) as running:
                client = await Client.connect(running.settings["temporal"], data_converter=pydantic_data_converter)
                async with quiet_plant(client, folder / "plant", count) as built:
                    seen.append(await look(client, built, running, count))
        sys.stdout.write("\n".join(_lines(seen[-1])) + "\n")
        sys.stdout.flush()
    if draw:
        _draw(seen)


@asynccontextmanager
async def quiet_plant(client: Client, folder: Path, count: int) -> AsyncIterator[Plant]:
    """Give a plant whose worker asks as seldom as it may."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    # One more, for the worker's own thread takes one.
    async with plant(client, folder, sectors=count + 1, landed_after=10_000_000) as built:
        built.patience = 1800
        built.untapped(rpc_polling_interval="1h", ping_interval="1h")
        yield built


async def look(client: Client, built: Plant, running: Servers, count: int) -> Seen:
    """Let sectors stand still, and measure."""
    half, query = count // 2, parked_on(built)
    async with program(built) as worker:
        await _serves(built, worker, 1)
        ids = await park(client, built, half)
        await stand(client, built, count - half, halted=False)
        await asyncio.sleep(SETTLED)
        memory = {"worker": _mib(_pid(worker))}
        memory |= {name: _mib_of_all(_pid(part)) for name, part in running.parts.items()}
        times = {
            "one of them moves": await _spread(lambda: _wake(client, ids[0])),
            "the parked ones counted": await _spread(lambda: _timed(client.count_workflows(query))),
            "a page of them listed": await _spread(lambda: _timed(_list(client, query))),
        }
        # Asked to, and not killed: else the server would first ask the one that is gone, for some seconds a sector.
        await worker.terminate()
    async with program(built) as worker:
        await _serves(built, worker, 2)
        others = iter(random.Random(count).sample(ids[1:], ROUNDS))  # noqa: S311 - nothing is secret
        times["one moves that the worker must read"] = await _spread(lambda: effect(client, next(others)))
        began = time.perf_counter()
        await sealflow(built, "sector", "resume", "--where", query, "--yes")
        await built.until(partial(are_parked, client, built, 0), "all to move")
        return Seen(count, memory, times, time.perf_counter() - began)


async def _serves(built: Plant, worker: WorkerProgram, life: int) -> None:
    await built.until(lambda: worker.log.read_text().count("serves queues") == life, "the worker to serve")


async def _wake(client: Client, sector: str) -> float:
    seconds = await effect(client, sector)
    await pause(client, [sector])
    return seconds


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _list(client: Client, query: str) -> None:
    """Read the first page, as the command line does of what it shows first."""
    await client.list_workflows(query, page_size=PAGE).fetch_next_page()


async def _spread(one: Callable[[], Awaitable[float]]) -> Spread:
    seconds = [await one() for _ in range(ROUNDS)]
    return tuple(1000 * value for value in (statistics.median(seconds), min(seconds), max(seconds)))


def _pid(runs: WorkerProgram | Part) -> int:
    process = runs.process if isinstance(runs, WorkerProgram) else runs.child.process if runs.child else None
    assert process is not None  # noqa: S101 - it runs
    return process.pid


def _mib(pid: int) -> float:
    """Return the memory that a process has to itself, and its share of what it has with others."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Pss"].split()[0]) / 1024


def _mib_of_all(pid: int) -> float:
    """Return the same of a process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _mib(pid) + sum(_mib_of_all(int(child)) for child in children)


def _lines(seen: Seen) -> Iterator[str]:
    yield f"{seen.sectors} sectors, half of them parked, half waiting for the chain:"
    yield "  memory: " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in seen.memory.items())
    for what, (middle, low, high) in seen.times.items():
        yield f"  {what}: median {middle:.0f} ms ({low:.0f} to {high:.0f})"
    yield f"  all {seen.sectors // 2} that are parked moving, by one command: {seen.all_moving:.1f} s"


def _draw(all_seen: Sequence[Seen]) -> None:
    figure = Figure(figsize=(9, 4), layout="constrained")
    memory, times = figure.subplots(1, 2)
    counts = [seen.sectors for seen in all_seen]
    for name in all_seen[0].memory:
        memory.plot(counts, [seen.memory[name] for seen in all_seen], marker=".", label=name)
    for name in all_seen[0].times:
        times.plot(counts, [seen.times[name][0] for seen in all_seen], marker=".", label=name)
    memory.set_ylabel("MiB")
    times.set_ylabel("ms")
    for place in (memory, times):
        place.set_xscale("log")
        place.set_ylim(bottom=0)
        place.set_xlabel("sectors")
        place.legend(fontsize=8)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
