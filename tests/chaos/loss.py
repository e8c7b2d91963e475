"""The last blow of a campaign: Temporal's database is lost, and each sector is adopted from its state file."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from temporalio.client import Client

from tests.chaos.histories import Run, read_runs
from tests.chaos.programs import until
from tests.chaos.site import Site

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"
MIDDLE_WITHIN = 120.0
"""Seconds in which there must be a moment at which no sector begins or ends."""
TRIES = 20
"""How often the worker is killed until that is in the middle of each sector."""


async def database_lost(site: Site, client: Client) -> tuple[list[Run], int]:
    """Run a new database in place of the old one. Return what that had, and how many sectors were adopted.

    Jobs run on meanwhile. Raises AssertionError where a sector is not adopted.
    """
    await _killed_in_the_middle(site)
    runs = await read_runs(client)
    await site.temporal.kill()
    site.temporal.folder = site.folder / "temporal-anew"
    await site.temporal.start()
    adopted = await _adopt(site)
    await site.worker.start()
    await site.worker.ready()
    return runs, adopted


async def _killed_in_the_middle(site: Site) -> None:
    """Kill the worker when each sector that is under way has its state file: neither just given out nor just ended.

    At these two moments only the manager, or only the database that is lost, knows what is to be done.
    """
    for _ in range(TRIES):
        await until(lambda: _is_in_the_middle(site), "each sector to be in its middle", MIDDLE_WITHIN)
        await site.worker.kill()
        if _is_in_the_middle(site):
            return
        await site.worker.start()
        await site.worker.ready()
    raise AssertionError(f"the worker was killed {TRIES} times, each time at the begin or the end of a sector")


def _is_in_the_middle(site: Site) -> bool:
    return _claimed(site) == _kept(site) == set(site.under_way()) != set()


def _claimed(site: Site) -> set[str]:
    claims = [location / "data" / "claim.json" for location in site.locations]
    found = [claim.read_bytes() for claim in claims if claim.exists()]
    ids = [json.loads(each)["task"]["sector"]["id"] for each in found]
    return {f"s-t0{each['miner']}-{each['number']}" for each in ids}


def _kept(site: Site) -> set[str]:
    return {path.parent.name for location in site.locations for path in location.glob("data/jobs/*/state.json")}


async def _adopt(site: Site) -> int:
    sectors = _kept(site)
    locations = [str(each) for each in site.locations if (each / "data" / "claim.json").exists()]
    command = ["sector", "-c", str(site.folder / "worker.toml"), "adopt", *locations, "--yes", "--json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(SEALFLOW, *command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, f"adopt ended with {process.returncode}: {out.decode()}{err.decode()}"
    adopted = {told["sector"] for told in json.loads(out) if told["answer"] == "adopted"}
    assert adopted == sectors, f"of {sorted(sectors)} only {sorted(adopted)} were adopted"
    return len(adopted)
