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

from sealing.sector import Settings
from sealing.stores import durable
from tests.chaos.processes import jobs
from tests.chaos.programs import until
from tests.chaos.site import Site, site

KILLS = 8
PC1_SECONDS = 600
SECTORS = 8
POLLING = Settings().rpc_polling_interval.total_seconds()
AWAY = 70.0
"""Seconds since the last sector's first call in vain: pauses that were to go on doubling would be at 64 s by then."""
GONE_ON = "PCSubmitted"
"""What follows the call that all of them make in vain."""
ALLOWANCE = 3.0
"""Seconds that a call and its report may take beyond the pause, on a machine that does much else."""
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
    """Let the manager be away while sectors need it, and print how soon each goes on when it is back.

    The sectors come to need it one after the other, spread over one polling interval, so that it returns at another
    moment of each one's pause. Pauses double from 1 s and are at their longest half a minute after a sector's first
    call in vain: how much longer the manager is away makes no difference, be it an hour. Fails where a sector does not
    go on, or takes longer than a polling interval and what a machine that does much else may need.
    """
    async with site(folder, threads=SECTORS, sectors=0, heartbeat="20s") as built:
        await _prepare(built)
        await until(lambda: len(_come_to(built, "TicketAssigned")) == SECTORS, "all sectors to have tickets", PATIENCE)
        await built.manager.kill()
        _simulate(built, {"seconds": POLLING / SECTORS})
        (folder / "go").touch()
        await asyncio.sleep(POLLING + AWAY)
        assert not _come_to(built, GONE_ON)  # noqa: S101 - then there is nothing to measure
        await built.manager.start()
        await built.manager.ready()
        began, seconds = time.monotonic(), dict[str, float]()
        while len(seconds) < SECTORS and time.monotonic() < began + PATIENCE:
            for sector in _come_to(built, GONE_ON):
                seconds.setdefault(sector, time.monotonic() - began)
            await asyncio.sleep(0.05)
    _print(
        f"manager away for {AWAY:.0f} s and more: from its return until a sector goes on, {len(seconds)} of {SECTORS}",
        [*seconds.values()],
    )
    late = {sector: found for sector, found in seconds.items() if found > POLLING + ALLOWANCE}
    if late or len(seconds) < SECTORS:
        raise SystemExit(f"{len(seconds)} of {SECTORS} sectors went on, after more than {POLLING:.0f} s: {late}")


async def _prepare(built: Site) -> None:
    """Start anew: polling as where a file says nothing of it, one PC1 at a time, and sectors that wait in it."""
    await built.worker.kill()
    await built.manager.kill()
    file = built.folder / "worker.toml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("rpc_polling_interval")]
    file.write_text("\n".join(kept).replace("[processors]", "[processors]\nlimitation.concurrent.pc1 = 1"))
    _simulate(built, {"until": str(built.folder / "go")})
    built.limit(SECTORS)
    for program in (built.manager, built.worker):
        await program.start()
        await program.ready()


def _simulate(built: Site, pc1: dict[str, object]) -> None:
    durable.write(built.folder / "simulated.json", json.dumps({"pc1": pc1}).encode())  # it may be read in this moment


def _come_to(built: Site, state: str) -> list[str]:
    """Return the sectors of which the manager knows that they have come to a state."""
    return [row["sector"] for row in built.ask("SELECT DISTINCT sector FROM reports WHERE next = ?", state)]


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
