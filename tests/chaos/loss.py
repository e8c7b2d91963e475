"""The last blow of a campaign: Temporal's database is lost, and each sector is adopted from its state file."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from temporalio.client import Client

from tests.chaos.histories import Run, read_runs
from tests.chaos.site import Site

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"
TRIES = 20
"""How often the worker is killed until that is in the middle of each sector."""


async def database_lost(site: Site, client: Client) -> tuple[list[Run], int]:
    """Run a new database in place of the old one. Return what that had, and how many sectors were adopted.

    Jobs run on meanwhile. Raises AssertionError where a sector that has a state file is not adopted.
    """
    await _killed_in_the_middle(site)
    runs = await read_runs(client)
    await site.temporal.kill()
    site.temporal.folder = site.folder / "temporal-anew"
    await site.temporal.start()
    await site.worker.start()
    await site.worker.ready()
    return runs, await _adopt([location for location in site.locations if _state_files(location)], site)


async def _killed_in_the_middle(site: Site) -> None:
    """Kill the worker when each sector that is under way has its location: neither just given out nor just ended.

    At these two moments only the manager, or only the database that is lost, knows what is to be done.
    """
    for _ in range(TRIES):
        await site.worker.kill()
        if _claimed(site) == set(site.under_way()) and any(map(_state_files, site.locations)):
            return
        await site.worker.start()
        await site.worker.ready()
        await asyncio.sleep(1)
    raise AssertionError(f"the worker was killed {TRIES} times, each time at the begin or the end of a sector")


def _claimed(site: Site) -> set[str]:
    claims = [location / "data" / "claim.json" for location in site.locations]
    ids = [json.loads(claim.read_bytes())["task"]["sector"]["id"] for claim in claims if claim.exists()]
    return {f"s-t0{each['miner']}-{each['number']}" for each in ids}


def _state_files(location: Path) -> list[Path]:
    return list(location.glob("data/jobs/*/state.json"))


async def _adopt(locations: list[Path], site: Site) -> int:
    if not locations:
        return 0
    command = ["sector", "-c", str(site.folder / "worker.toml"), "adopt", *map(str, locations), "--yes", "--json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(SEALFLOW, *command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, f"adopt ended with {process.returncode}: {out.decode()}{err.decode()}"
    return sum(told["answer"] == "adopted" for told in json.loads(out))
