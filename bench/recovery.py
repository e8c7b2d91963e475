"""How soon work goes on: after the worker was killed during PC1, and after the manager was away.

Run by ``make bench-recovery``. A real Temporal development server, the manager and the worker as programs, with the
timeouts that a worker has where its file says nothing; the processor is the simulated one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.chaos.processes import jobs
from tests.chaos.programs import until
from tests.chaos.site import Site, site

KILLS = 8
PC1_SECONDS = 600
SECTORS = 8
AWAY = 150.0
"""Seconds: the pauses between two tries have been at their longest for more than a minute by then."""
PATIENCE = 120.0


async def attached(folder: Path) -> None:
    """Kill the worker again and again during one PC1, and print how soon the next one is at it."""
    async with site(folder, threads=1, sectors=1, heartbeat="20s") as built:
        (folder / "simulated.json").write_text(json.dumps({"pc1": {"seconds": PC1_SECONDS}}))
        client = await Client.connect(f"127.0.0.1:{built.temporal.port}", data_converter=pydantic_data_converter)
        await until(lambda: any(_is_pc1(built)), "PC1 to run", PATIENCE)
        process, seconds = jobs(folder), []
        for _ in range(KILLS):
            before = await _attempts(client)
            await built.worker.kill()
            await built.worker.start()
            await built.worker.ready()
            began = time.monotonic()
            while await _attempts(client) <= before:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.05)
            seconds.append(time.monotonic() - began)
            assert jobs(folder) == process, "PC1 was begun anew"  # noqa: S101 - then there is nothing to measure
    _print(f"worker killed during PC1, {KILLS} times: from its return until it has the running job", seconds)


def _is_pc1(built: Site) -> list[bool]:
    text = built.journal.read_text() if built.journal.exists() else ""
    return [json.loads(line)["job"].endswith("/pc1") for line in text.splitlines()]


async def _attempts(client: Client) -> int:
    """Return the number of the attempt at PC1 that runs; 0 if none does."""
    described = await client.get_workflow_handle("sealer-t01000-1").describe()
    for pending in described.raw_description.pending_activities:
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            return int(pending.attempt)
    return 0


async def returned(folder: Path) -> None:
    """Let the manager be away while sectors need it, and print how soon each goes on when it is back."""
    async with site(folder, threads=SECTORS, sectors=SECTORS, heartbeat="20s") as built:
        await until(lambda: built.progress() >= SECTORS, "the sectors to begin", PATIENCE)
        await built.manager.kill()
        await asyncio.sleep(AWAY)
        before = built.progress()
        await built.manager.start()
        await built.manager.ready()
        began, seconds = time.monotonic(), dict[str, float]()
        while len(seconds) < SECTORS and time.monotonic() < began + PATIENCE:
            for row in built.ask("SELECT DISTINCT sector FROM reports WHERE number > ?", before):
                seconds.setdefault(row["sector"], time.monotonic() - began)
            await asyncio.sleep(0.05)
    _print(
        f"manager away for {AWAY:.0f} s: from its return until a sector goes on, {len(seconds)} of {SECTORS}",
        [*seconds.values()],
    )


def _print(what: str, seconds: list[float]) -> None:
    spread = f"{min(seconds):.1f} to {max(seconds):.1f} s"
    sys.stdout.write(f"{what}: median {statistics.median(seconds):.1f} s ({spread})\n")
    sys.stdout.flush()


async def main() -> None:
    """Measure both."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        await attached(Path(name) / "attached")
        await returned(Path(name) / "returned")


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
