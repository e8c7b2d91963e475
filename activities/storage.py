"""Where the sector's files end up: in a permanent store, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity

from activities.parcels import NO_EXCHANGE, Parcels
from activities.stages import Stages
from activities.step import spent
from sealing.failures import Permanent, Wait
from sealing.flow.events import Persist, SubmitPersistance
from sealing.manager.client import Manager
from sealing.processors.inputs import known
from sealing.proofs import seal_proof
from sealing.sector import Task
from sealing.stores import attached, claim, local
from sealing.stores.layout import space_needed

NO_SPACE_PAUSE = 60.0
"""Seconds until the manager is asked again for a store with space."""


@dataclass(frozen=True)
class ConfirmationActivities:
    """Manager calls, on any worker of the fleet."""

    manager: Manager

    @activity.defn
    async def submit_persisted(self, task: Task) -> SubmitPersistance:
        """Let the manager check the stored files."""
        store = known(task.sector.persisted_in, "store")
        if not await self.manager.submit_persisted(task.sector.id, store, is_upgrade=False):
            raise Permanent(f"the manager does not find the files of {task.sector.id} in store {store}")
        return SubmitPersistance(persistence_confirmed=store)


@dataclass(frozen=True)
class StorageActivities:
    """Moves files, on the sector's machine."""

    manager: Manager
    stages: Stages
    stores: Mapping[str, Path]
    parcels: Parcels = NO_EXCHANGE
    """What travelled to other machines goes with the files."""

    @activity.defn
    async def persist(self, task: Task) -> Persist:
        """Copy what must be kept into a store. A copy that is already whole is not made again."""
        sector = task.sector
        size = seal_proof(sector.proof_type).sector_size
        store = await self.manager.reserve_space(sector.id, space_needed(size), sorted(self.stores))
        if store is None:
            raise Wait(f"no store has space for {sector.id}", NO_SPACE_PAUSE)
        if store.name not in self.stores:
            raise Permanent(f"the manager chose store {store.name}, which is not attached here: {sorted(self.stores)}")
        with self.stages.noted(sector):
            await attached.store_sector(
                sector.files,
                self.stores[store.name],
                size,
                is_upgrade=sector.upgrade is not None,
                on_alive=spent().progress.update,
            )
        return Persist(persisted_in=store.name)

    @activity.defn
    async def clean_up(self, task: Task) -> bool:
        """Stop the sector's jobs and remove its files and its claim. Repeatable."""
        sector = task.sector
        await self.stages.stop(sector)
        await local.remove_sector(sector.files)
        await self.parcels.clear(sector.id)
        held = claim.read_claim(sector.home.location)
        if held is not None and held.task.sector.id == sector.id:
            claim.remove_claim(sector.home.location)
        return True
