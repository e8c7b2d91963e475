"""The last blows of a campaign: Temporal's database is put back from an old backup, then lost; sectors are adopted.

An operator does then what docs/recovery.md says, with the commands that stand there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.chaos.histories import Run, read_runs
from tests.chaos.programs import until
from tests.chaos.site import Site

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"
MIDDLE_WITHIN = 120.0
"""Seconds in which there must be a moment at which no sector begins or ends."""
TRIES = 20
"""How often the worker is killed until that is in the middle of each sector."""
LOOK_EVERY = 1.0
"""Seconds until it is looked again who has parked."""
ADOPTED = "adopted"
NOT_BEHIND = "is not behind its state file"


async def backup_restored(site: Site, client: Client, within: float) -> tuple[list[Run], int]:
    """Back the database up, let each sector go on, and put the backup back.

    Returns what the database had in between, and how many sectors were adopted after that. Raises AssertionError where
    one is not taken up.
    """
    backup = site.temporal.folder.with_name(f"{site.temporal.folder.name}-old")
    await site.temporal.kill()
    shutil.copytree(site.temporal.folder, backup)
    await site.temporal.start()
    await site.went_on(within)
    await _killed_in_the_middle(site)
    runs = await read_runs(client)
    await site.temporal.kill()
    site.temporal.folder = backup
    await site.temporal.start()
    began_since = [sector for sector, said in (await _adopt(site, _homes(site).values())).items() if said == ADOPTED]
    await site.worker.start()
    await site.worker.ready()
    return runs, len(began_since) + await _taken_up(site, set(site.under_way()) - set(began_since), site.takes(within))


async def database_lost(site: Site, client: Client) -> tuple[list[Run], int]:
    """Run a new database in place of the old one. Return what that had, and how many sectors were adopted.

    Jobs run on meanwhile. Raises AssertionError where a sector is not adopted.
    """
    await _killed_in_the_middle(site)
    runs = await read_runs(client)
    await site.temporal.kill()
    site.temporal.folder = site.folder / "temporal-anew"
    await site.temporal.start()
    homes = _homes(site)
    told = await _adopt(site, homes.values())
    assert told == dict.fromkeys(homes, ADOPTED), f"of {sorted(homes)} not all were adopted: {told}"
    await site.worker.start()
    await site.worker.ready()
    return runs, len(told)


async def _taken_up(site: Site, left: set[str], within: float) -> int:
    """Adopt the sectors that the old database has in an old state. Return how many they were.

    A run that is behind its sector's state file is replaced once it has parked; it may come to be not behind by itself.
    One of a task that has ended since ends, or is aborted where it has parked.
    """
    adopted, give_up = set[str](), time.monotonic() + within
    while True:
        rows = {row["workflow"]: row for row in await _listed(site)}
        over = {task for task, ended in site.tasks() if ended} & rows.keys()
        left = left & site.under_way().keys() - adopted
        if not left and not over:
            return len(adopted)
        assert time.monotonic() < give_up, f"not taken up after an old backup: {left | over}; see {site.worker.log}"
        parked = {row["sector"] for row in rows.values() if row["standing"] == "parked"}
        await _abort(site, [task for task in over if rows[task]["standing"] == "parked"])
        homes = {sector: home for sector, home in _homes(site).items() if sector in left}
        told = await _adopt(site, homes.values())
        told |= await _adopt(site, [home for sector, home in homes.items() if sector in parked], "--replace")
        adopted |= {sector for sector, said in told.items() if said == ADOPTED}
        left -= {sector for sector, said in told.items() if NOT_BEHIND in said}
        await asyncio.sleep(LOOK_EVERY)


async def _listed(site: Site) -> list[dict[str, Any]]:
    status, rows, err = await _sector_command(site, "list")
    assert status == 0, f"list ended with {status}: {err}"
    return rows


async def _abort(site: Site, tasks: Sequence[str]) -> None:
    """Abort tasks that had ended before the database went back, and stand where another one is now."""
    if tasks:
        await _sector_command(site, "abort", *tasks, "--reason", "ended before the restore", "--yes")


async def _adopt(site: Site, locations: Iterable[Path], *options: str) -> dict[str, str]:
    """Adopt what is in some locations. Return what is said of the sectors, or of the locations where none is found."""
    if not (folders := [str(each) for each in locations]):
        return {}
    _, told, err = await _sector_command(site, "adopt", *folders, *options, "--yes")
    assert told, err
    return {each["sector"]: each["refused"] or each["answer"] for each in told}


async def _sector_command(site: Site, *args: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run ``sealflow sector`` as an operator does. Return its status, what it printed, and what it complained of."""
    command = [str(SEALFLOW), "sector", "-c", str(site.folder / "worker.toml"), *args, "--json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode or 0, json.loads(out or "[]"), err.decode()


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
    return _claimed(site) == _homes(site).keys() == site.under_way().keys() != set()


def _claimed(site: Site) -> set[str]:
    claims = [location / "data" / "claim.json" for location in site.locations]
    found = [claim.read_bytes() for claim in claims if claim.exists()]
    ids = [json.loads(each)["task"]["sector"]["id"] for each in found]
    return {f"s-t0{each['miner']}-{each['number']}" for each in ids}


def _homes(site: Site) -> dict[str, Path]:
    """Return the sectors that have a state file, each with its location."""
    return {path.parent.name: at for at in site.locations for path in at.glob("data/jobs/*/state.json")}
