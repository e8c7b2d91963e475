"""The sectors in a worker's locations: that Temporal knows their tasks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from activities import executions
from sealing.failures import Outage
from sealing.stores import local
from sealing.stores.claim import claim_path, read_claim
from sealing.stores.layout import QUARANTINE
from sealing.stores.statefile import adopt_command
from workers.connection import StartError
from workers.doctor.checks import Answer, ok, warning, wrong
from workers.doctor.server import Server


async def task_in(server: Server, file: Path, location: Path) -> Answer:
    """Look whether Temporal knows the task that has claimed a location of the worker with this file."""
    try:
        claim = await asyncio.to_thread(read_claim, str(location))
    except (OSError, ValueError) as error:
        return wrong(f"{claim_path(location)} cannot be read: {error}", f"remove it, then: {_adopt(file, location)}")
    if claim is None:
        return await asyncio.to_thread(_unclaimed, file, location)
    sector, name = claim.task.sector, claim.task.workflow_id
    try:
        found = await executions.find(await server.client(), name, sector.files)
    except (StartError, TimeoutError, Outage) as error:
        return warning(f"not checked: Temporal does not tell about {name}: {error}", "put right temporal first")
    if not found.lost:
        return ok(f"{location} has {sector.id}, {name} {'runs' if found.running else 'has ended'}")
    if not any(path.exists() for path in sector.files.all()):
        return ok(f"{location} has {sector.id}, which has yet to begin")
    return wrong(f"{found.lost}, and {sector.id} has files in {location}", _adopt(file, location))


def _unclaimed(file: Path, location: Path) -> Answer:
    """Say what is in a location that no claim names. Its thread puts the claim back, sets aside, or waits for adopt."""
    if there := ", ".join(files.name for files in local.sectors(location)):
        advice = f"the worker sees to it when it runs; where Temporal's database was lost: {_adopt(file, location)}"
        return warning(f"{location} has files of {there} and no claim", advice)
    if aside := sorted(path.name for path in (location / QUARANTINE).glob("*")):
        return warning(
            f"{location} has no sector; set aside in {location / QUARANTINE}: {', '.join(aside)}",
            "read why.txt in each; when nothing of it is needed, remove it",
        )
    return ok(f"{location} has no sector")


def _adopt(file: Path, location: Path) -> str:
    return adopt_command(str(location), str(file))
