"""How long the command line and the worker take to start, and what a worker costs that has nothing to do.

Run by ``make bench-start``. A real Temporal development server and an embedded manager that has no sectors to give;
the worker's file says what it must, and leaves all else as it is for everybody.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.cpu import cpu
from sealing.devnet.config import DevnetConfig
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import SimulatedVerifier
from workers.children import Child
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"
STARTS = 9
THREADS = 3
SETTLED, IDLE = 20.0, 120.0
"""Seconds until what a start brings about is over, and seconds that are measured."""

FILE = """\
worker.name = "idle"
sector_manager.rpc_client.addr = "{manager}"
[temporal]
address = "{temporal}"
{threads}
[[attached]]
name = "store"
location = "{store}"
[processors]
program = "simulated"
"""


def tell(what: str, seconds: list[float]) -> None:
    """Print a median and its spread."""
    middle, low, high = (f"{value:.2f} s" for value in (statistics.median(seconds), min(seconds), max(seconds)))
    sys.stdout.write(f"{what}, {len(seconds)} times: median {middle} ({low} to {high})\n")
    sys.stdout.flush()


def helped() -> float:
    """Return the seconds that ``sealflow --help`` takes."""
    began = time.perf_counter()
    subprocess.run([SEALFLOW, "--help"], stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own
    return time.perf_counter() - began


@asynccontextmanager
async def working(file: Path) -> AsyncIterator[tuple[int, float]]:
    """Run the worker, and give its pid and the seconds until it served."""
    log = file.with_suffix(".log")
    log.unlink(missing_ok=True)
    began = time.perf_counter()
    child = await Child.start("worker", [str(SEALFLOW), "worker", "-c", str(file), "run"], log, {})
    try:
        while "serves queues" not in log.read_text():  # noqa: ASYNC110 - its log is all that tells
            await asyncio.sleep(0.01)
        yield child.process.pid, time.perf_counter() - began
    finally:
        await child.stop()


def memory(pid: int) -> int:
    """Return the MiB of memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) >> 10 if found else 0


async def main() -> None:
    """Measure."""
    logging.disable(logging.WARNING)
    tell("sealflow --help", [helped() for _ in range(STARTS)])
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with (
            DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server,
            DevnetServer(managing(folder), SimulatedVerifier()) as manager,
        ):
            file = written(folder, manager.address, server.address)
            seconds = []
            for _ in range(STARTS):
                async with working(file) as (_, took):
                    seconds.append(took)
            tell("worker, from its start until it serves", seconds)
            async with working(file) as (pid, _):
                await asyncio.sleep(SETTLED)
                before = cpu(pid)
                await asyncio.sleep(IDLE)
                used = (cpu(pid) - before) / IDLE
                sys.stdout.write(f"idle, {THREADS} threads, {IDLE:.0f} s: {used:.2%} of a core, {memory(pid)} MiB\n")


def managing(folder: Path) -> DevnetConfig:
    """Return the configuration of a manager that has no sectors to give, with the folder of its store."""
    (store := folder / "store").mkdir()
    settings = {"data": folder / "devnet", "port": 0, "miner": 1000, "max_sectors": 0, "stores": {"store": store}}
    return DevnetConfig.model_validate(settings)


def written(folder: Path, manager: str, temporal: str) -> Path:
    """Write the worker's file, and make the folders that it names."""
    locations = [folder / "threads" / str(number) for number in range(THREADS)]
    for path in locations:
        path.mkdir(parents=True)
    threads = "".join(f'[[sealing_thread]]\nlocation = "{path}"\n' for path in locations)
    file = folder / "worker.toml"
    file.write_text(FILE.format(manager=manager, temporal=temporal, threads=threads, store=folder / "store"))
    return file


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
