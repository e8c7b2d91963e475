"""A fleet that lives: two workers that seal and upgrade simulated sectors, of which some fail, park and are paused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from temporalio.client import Client

from sealing.devnet.faults.kinds import Down, Lost, Outcome
from tests.survival.program import program
from tests.world.plant import Plant, plant
from tests.world.scraped import METRICS
from workers.devserver import pick_port

PROCESSORS = """\
[processors.limitation.concurrent]
pc1 = 2
pc2 = 1
[processors.ext_locks]
gpu = 1
[[processors.pc2]]
locks = ["gpu"]
[[processors.c2]]
locks = ["gpu"]
"""
SECONDS = {
    **dict.fromkeys(("add_pieces", "tree_d", "c1", "snap_vanilla"), 0.2),
    **dict.fromkeys(("pc2", "snap_encode", "snap_prove"), 1.0),
    "pc1": 4.0,
    "c2": 2.0,
}
"""How long the stages take, in the proportions of large sectors."""
FAULTS = (
    Outcome(message="precommit", state="PermFailed"),
    Lost(method="AssignTicket", times=3),
    Down(seconds=3),
)
THREADS = 4
SECTORS = 400
DEALS = 20
FAILS_EVERY = 15.0
"""Seconds."""


@dataclass(frozen=True)
class Fleet:
    """A fleet that lives, and where its workers' metrics are, each ``host:port``."""

    built: Plant
    workers: tuple[str, str]


@asynccontextmanager
async def living(client: Client, folder: Path) -> AsyncIterator[Fleet]:
    """Run a fleet, with one worker that seals and one that upgrades what the first has finished."""
    ports = [pick_port(None), pick_port(None)]
    async with plant(
        client,
        folder,
        sectors=SECTORS,
        threads=THREADS,
        processors=PROCESSORS,
        worker=METRICS.format(port=ports[0]),
        faults=FAULTS,
        epoch_seconds=1.0,
        ticket_lookback=0,
        ticket_lifetime=3780,
        hold_seconds=30,
    ) as built:
        stages: dict[str, dict[str, Any]] = {stage: {"seconds": seconds} for stage, seconds in SECONDS.items()}
        built.file.write_text(built.file.read_text().replace(built.proxy.address, built.devnet.address))
        failing = asyncio.create_task(_fail_now_and_then(built, stages))
        async with AsyncExitStack() as stack:
            for number in range(DEALS):
                built.deal(bytes([number % 256]) * 1000)
            await stack.enter_async_context(program(built))
            await stack.enter_async_context(program(_upgrading(built, ports)))
            try:
                yield Fleet(built, (f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"))
            finally:
                failing.cancel()


async def _fail_now_and_then(built: Plant, stages: dict[str, dict[str, Any]]) -> None:
    """Let one C1 fail in a while: of what has happened before a counter was first scraped Prometheus shows nothing."""
    while True:
        built.simulate(**{**stages, "c1": {"fail": "no space left on device", "times": built.starts("c1") + 1}})
        await asyncio.sleep(FAILS_EVERY)


def _upgrading(built: Plant, ports: list[int]) -> Plant:
    """Return the same plant with the file of a second worker, of the same fleet."""
    folder = built.folder / "second"
    folder.mkdir()
    text = built.file.read_text()
    text = text.replace(f"fleet-w{built.miner}", "FLEET").replace(f'"w{built.miner}"', f'"w{built.miner}-2"')
    text = text.replace("FLEET", f"fleet-w{built.miner}").replace(f":{ports[0]}", f":{ports[1]}")
    text = text.replace(f"{built.folder}/threads", f"{folder}/threads")
    for thread in range(THREADS):
        (folder / "threads" / str(thread)).mkdir(parents=True)
    second = replace(built, folder=folder, file=folder / "worker.toml")
    second.file.write_text(text)
    second.plan("snapup")
    return second
