"""What is in a location without a claim: of a sector whose claim was lost, or of which nothing tells what it is.

A sector whose claim is gone would be nobody's, while its thread takes another. So the claim is written anew from the
state file, and what is done with it is what is done with every claim. Files without a state file that can be read are
set aside, not removed: that Temporal does not know them never means that they are not needed.

Dies here: all may be repeated; what had not been set aside comes into a folder of its own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import Client

from activities import executions
from activities.leftovers import LeftOvers
from sealing.failures import Wait
from sealing.flow.registry import LATEST
from sealing.sector import task_id
from sealing.stores import local
from sealing.stores.claim import Claim, write_claim
from sealing.stores.layout import SectorFiles, quarantine
from sealing.stores.statefile import StateFile, StateFileError, read_state
from sealing.values import SectorId

log = logging.getLogger(__name__)

LOOK_AGAIN = 60.0
"""Seconds until files are looked at again that may not be touched."""


@dataclass(frozen=True)
class Unclaimed:
    """Looks after one machine's locations."""

    client: Client
    left_overs: LeftOvers

    async def claim(self, location: str, worker: str) -> Claim | None:
        """Return the claim of a sector in the location that has not ended, written anew; None: there is none now.

        Wait where nothing may be touched and no sector taken.
        """
        for files in await asyncio.to_thread(local.sectors, location):
            if claim := await self._claim_of(files, location, worker):
                return claim
        return None

    async def _claim_of(self, files: SectorFiles, location: str, worker: str) -> Claim | None:
        try:
            kept = await asyncio.to_thread(read_state, files)
            why = f"{files.name} has no state file"
        except StateFileError as error:
            if isinstance(error.__cause__, OSError):
                raise Wait(f"idle: {error}", LOOK_AGAIN) from error  # nobody knows what is in it
            kept, why = None, str(error)
        if kept is None:
            await self._set_aside(files, location, why)
            return None
        _refuse_others(kept, files, location, worker)
        claim = Claim(task=kept.task)
        if await self.left_overs.clear(claim):
            return None
        write_claim(location, claim)
        log.warning("%s had no claim on %s; it has one again, from its state file", claim.task.workflow_id, location)
        return claim

    async def _set_aside(self, files: SectorFiles, location: str, why: str) -> None:
        await self._refuse_running(files, location, why)
        folder = quarantine(location, files.name, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        await local.quarantine_sector(files, folder, f"{why}, and no claim says whose it is\n")
        log.warning("%s, and no claim on %s says whose it is: its files are in %s", why, location, folder)

    async def _refuse_running(self, files: SectorFiles, location: str, why: str) -> None:
        sector = SectorId.named(files.name)
        for name in [task_id(flow, sector) for flow in LATEST] if sector else ():
            if (await executions.find(self.client, name, files)).running:
                raise Wait(f"idle: {name} runs, and its files are in {location} without a claim: {why}", LOOK_AGAIN)


def _refuse_others(kept: StateFile, files: SectorFiles, location: str, worker: str) -> None:
    """Hold what would go on elsewhere, and paths of which would lead there."""
    home = kept.task.sector.home
    if (home.worker, home.location) != (worker, location):
        raise Wait(
            f"idle: {location} has files of {files.name}, which is worker {home.worker}'s in {home.location}: bring "
            f"them back there, or move away {files.jobs} and what else has that name below {files.root}",
            LOOK_AGAIN,
        )
