"""What it costs to be seen: the worker's CPU a sector with metrics and traces on against off, and a scrape's time.

Run by ``make bench-observing``. A real Temporal development server, the worker as the program that it is, and an
embedded manager; the processor is the simulated one. On means metrics that are scraped as our Prometheus does, and
traces that are sent to a process which takes them and does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.cpu import cpu
from bench.standing import park
from sealing.flow.state import State
from tests.survival.program import WorkerProgram, program
from tests.world.plant import Plant, plant
from tests.world.scraped import METRICS, scrape
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer, pick_port

PAIRS = 9
SECTORS, THREADS = 40, 5
WARM = 10
"""Of them these come first and are not counted: what is done once a worker says nothing of a sector."""
SCRAPED_EVERY = 15.0
"""Seconds, as deploy/prometheus/prometheus.yml has it."""
MANY = 1000
SCRAPES = 20
COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"

SINK = """
import http.server, sys
class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
"""


@asynccontextmanager
async def collector() -> AsyncIterator[str]:
    """Run a process that takes traces."""
    port = pick_port(None)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SINK, str(port))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


def used(worker: WorkerProgram) -> float:
    """Return the CPU seconds that the worker's own process has used: jobs are others."""
    assert worker.process is not None  # noqa: S101 - it runs
    return cpu(worker.process.pid)


async def scraping(port: int) -> None:
    """Scrape as Prometheus would."""
    while True:
        await asyncio.sleep(SCRAPED_EVERY)
        await scrape(port)


async def sealed(client: Client, folder: Path, address: str | None) -> float:
    """Seal some sectors, seen where there is an address for traces, and return the worker's CPU seconds for each."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    port = pick_port(None)
    metrics, env = (METRICS.format(port=port), {COLLECTOR: address}) if address else ("", {})
    async with plant(client, folder, sectors=SECTORS, threads=THREADS, worker=metrics) as built:
        _calm(built)
        async with program(built, **env) as worker:
            await built.until(lambda: "serves queues" in worker.log.read_text(), "the worker to serve")
            scrapes = asyncio.create_task(scraping(port)) if address else None
            # The manager is asked, not the server: that would be work of which the worker gets its share.
            await built.until(partial(_finished, built, WARM), "the first to be finished")
            before = used(worker)
            await built.until(partial(_finished, built, SECTORS), "all to be finished")
            if scrapes:
                scrapes.cancel()
            return (used(worker) - before) / (SECTORS - WARM)


async def _finished(built: Plant, count: int) -> bool:
    await asyncio.sleep(0.1)
    return sum(sector.state == State.Finished for sector in built.observer.sectors()) >= count


def _calm(built: Plant) -> None:
    """Let the worker ask as seldom as it may, and the manager itself."""
    built.patience = 600
    built.untapped(ping_interval="60s")


async def compare(client: Client, folder: Path, address: str) -> None:
    """Print what being seen costs, from pairs that run side by side: what else the machine is at meets both."""
    ratios, base = [], []
    for number in range(PAIRS):
        ways = (None, address) if number % 2 else (address, None)
        cost = dict(zip(ways, await asyncio.gather(*(_one(client, folder, number, way) for way in ways)), strict=True))
        base.append(cost[None])
        ratios.append(cost[address] / cost[None] - 1)
    ratios.sort()
    # Between the second of nine from either end lies the median in 96 of 100 such measurements.
    low, middle, high = (f"{each:+.1%}" for each in (ratios[1], statistics.median(ratios), ratios[-2]))
    off = 1000 * statistics.median(base)
    sys.stdout.write(
        f"metrics and traces on against off, the worker's CPU for a sector, {PAIRS} pairs of {SECTORS - WARM} sectors: "
        f"median {middle}, 96 % interval {low} to {high}; off: median {off:.0f} ms\n"
    )


async def _one(client: Client, folder: Path, number: int, way: str | None) -> float:
    return await sealed(client, folder / f"{number}-{'on' if way else 'off'}", way)


async def scrape_many(client: Client, folder: Path) -> None:
    """Print how long a scrape takes while a thousand sectors are known."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    port = pick_port(None)
    metrics = METRICS.format(port=port)
    # One more, for the worker's own thread takes one.
    async with plant(client, folder, sectors=MANY + 1, landed_after=10_000_000, worker=metrics) as built:
        _calm(built)
        async with program(built):
            await park(client, built, MANY)
            await built.until(partial(_told, port), "the worker to have counted them")
            seconds = []
            for _ in range(SCRAPES):
                began = time.perf_counter()
                await scrape(port)
                seconds.append(time.perf_counter() - began)
    figures = [1000 * value for value in (statistics.median(seconds), min(seconds), max(seconds))]
    sys.stdout.write(
        "a scrape with {} sectors known, {} times, read and parsed: median {:.0f} ms, {:.0f} to {:.0f} ms\n".format(
            MANY, SCRAPES, *figures
        )
    )


async def _told(port: int) -> bool:
    seen = await scrape(port)
    return sum(seen.by("sealflow_sectors_parked", "level").values()) >= MANY


async def main() -> None:
    """Measure both."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with (
            DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server,
            collector() as address,
        ):
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            await compare(client, folder, address)
            await scrape_many(client, folder / "many")


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
