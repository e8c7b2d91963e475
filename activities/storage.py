"""Where the sector's files end up: in a permanent store, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from temporalio import activity

from activities.parcels import NO_EXCHANGE, Parcels
from activities.stages import Stages
from activities.step import spent
from sealing import tracing
from sealing.background import Check, in_thread
from sealing.failures import Permanent, Temporary
from sealing.flow.events import Persist, SubmitPersistance
from sealing.manager.client import Manager
from sealing.metrics import counting
from sealing.processors.inputs import known
from sealing.proofs import seal_proof
from sealing.sector import Sector, Task
from sealing.stores import attached, choice, claim, local, space
from sealing.stores.attached import Transfer
from sealing.stores.choice import Candidate, Draw
from sealing.stores.layout import space_needed
from sealing.units import size_text


@dataclass(frozen=True)
class ConfirmationActivities:
    """Manager calls, on any worker of the fleet."""

    manager: Manager

    @activity.defn
    async def submit_persisted(self, task: Task) -> SubmitPersistance:
        """Let the manager check the stored files.

        It answers the same for files that are lost, for a store that it has not mounted right now, and where its own
        file system has not heard of them yet, so it is asked again, as often as for any Temporary failure.
        """
        store = known(task.sector.persisted_in, "store")
        if not await self.manager.submit_persisted(task.sector.id, store, is_upgrade=False):
            raise Temporary(f"the manager does not find the files of {task.sector.id} in store {store}")
        return SubmitPersistance(persistence_confirmed=store)


@dataclass(frozen=True)
class StorageActivities:
    """Moves files, on the sector's machine."""

    manager: Manager
    stages: Stages
    stores: Mapping[str, Path]
    """The stores that take new files, by name."""
    draw: Draw | None = None
    """Draws the store that is offered first, by its room; without it the manager is offered all."""
    parcels: Parcels = NO_EXCHANGE
    """What travelled to other machines goes with the files."""
    _under_way: list[Transfer] = field(default_factory=list)

    @activity.defn
    async def persist(self, task: Task) -> Persist:
        """Bring what must be kept into a store. A copy that is already whole is not made again."""
        sector, mounts = task.sector, self.stages.mounts
        with self.stages.noted(sector):
            async with mounts.on(Path(sector.home.location)):
                name = await self._reserve(sector)
                store = self.stores[name]
                async with mounts.on(store):
                    await self._store(sector, name)
        return Persist(persisted_in=name)

    @activity.defn
    async def clean_up(self, task: Task) -> bool:
        """Stop the sector's jobs and remove its files and its claim. Repeatable.

        Not those of a later task of the sector. One that takes this location next has what is left here cleared away
        before, which ends an attempt of this that nobody waits for any more.
        """
        sector = task.sector
        with self.stages.noted(sector):
            held = claim.read_claim(sector.home.location)
            ours = held is not None and held.task.sector.id == sector.id
            if held is not None and ours and not _is_of(held.task.sector, sector):
                return True
            await self.stop(sector)
            await self.remove(sector)
            if ours:
                claim.remove_claim(sector.home.location)
        return True

    async def stop(self, sector: Sector) -> None:
        """End what this worker does for a sector, its jobs, and what was packed for other machines."""
        await self.stages.stop(sector)
        await self.parcels.clear(sector.id)

    async def remove(self, sector: Sector) -> None:
        """Remove a sector's files from this machine, and what an attempt to store them left unfinished."""
        await self._remove_parts(sector)
        await local.remove_sector(sector.files)

    async def _reserve(self, sector: Sector) -> str:
        """Return the store in which the manager keeps room for the sector. Wait if there is none."""
        needed = space_needed(seal_proof(sector.proof_type).sector_size)
        found, away = await self._survey(sector, needed)
        offered = choice.offers(found, needed, self.draw)
        for names in offered:
            given = await self.manager.reserve_space(sector.id, needed, list(names))
            if given is None:
                continue
            if given.name not in names:
                raise Permanent(f"the manager chose store {given.name}, which was not offered: {', '.join(names)}")
            return given.name
        which = "the manager keeps no room in a store" if offered else "no store has room"
        stores = choice.in_words(found, away)
        raise space.full(f"{which} for {sector.id}, {size_text(needed)}: {stores}", "make room, or add a store")

    async def _survey(self, sector: Sector, needed: int) -> tuple[list[Candidate], dict[str, str]]:
        """Look at every store that takes new files; return those that are there, and why the others are not."""
        found, away = list[Candidate](), dict[str, str]()
        for name, store in self.stores.items():
            if why := await self.stages.mounts.gone(store):
                away[name] = why
                continue
            try:
                found.append(await in_thread(self._look, sector, name, needed))
            except OSError as error:
                away[name] = f"{store} does not answer: {error.strerror or error}"
        return found, away

    def _look(self, _: Check, sector: Sector, name: str, needed: int) -> Candidate:
        transfer = _transfer(sector, self.stores[name])
        promised = sum(each.promised for each in tuple(self._under_way) if each.disk == transfer.disk)
        return choice.candidate(name, transfer, needed, promised)

    async def _store(self, sector: Sector, name: str) -> None:
        await self._remove_parts(sector)
        transfer = await asyncio.to_thread(_transfer, sector, self.stores[name])
        self._under_way.append(transfer)
        try:
            with tracing.noted("store", {tracing.STORE: name}):
                await attached.store_sector(sector.files, transfer, on_alive=spent().progress.update)
        finally:
            self._under_way.remove(transfer)
            counting.STORED.labels(name).inc(transfer.brought)

    async def _remove_parts(self, sector: Sector) -> None:
        there = [store for store in self.stores.values() if await self.stages.mounts.gone(store) is None]
        await attached.remove_parts(sector.files, there)


def _is_of(claimed: Sector, sector: Sector) -> bool:
    """Tell whether a claim of a sector is that of this task, and not of an upgrade, or of another one.

    It is not, as after the restore of an old backup, and where an abort was not waited for.
    """
    return (claimed.upgrade is None) is (sector.upgrade is None) and claimed.trace == sector.trace


def _transfer(sector: Sector, store: Path) -> Transfer:
    size = seal_proof(sector.proof_type).sector_size
    return attached.transfer_of(sector.files, store, size, is_upgrade=sector.upgrade is not None)
