"""The stages of an upgrade. As those of sealing: jobs that outlive the worker, from files that are put right before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Unpack

from temporalio import activity

from activities.parcels import NO_EXCHANGE, Parcels
from activities.stages import Elsewhere, Stages, require_parameters
from sealing.failures import Permanent
from sealing.flow.events import SnapEncode, SnapProve
from sealing.processors import inputs, job
from sealing.processors.inputs import known
from sealing.proofs import seal_proof
from sealing.sector import Task
from sealing.stores import local
from sealing.stores.layout import SectorFiles
from sealing.values import Base64, FileRef, Parcel


@dataclass(frozen=True)
class SnapUpActivities:
    """Stages on the sector's machine."""

    stages: Stages
    stores: Mapping[str, Path]
    """Every store that is attached, by its name: the old replica may be in one that takes nothing new."""
    parameters_ready: Callable[[str], Awaitable[bool]]
    """Tells whether the proof of an upgrade can be made for a sector size, given by its name."""
    parcels: Parcels = NO_EXCHANGE
    """Packs the vanilla proofs, where they are proved on another machine."""

    @activity.defn
    async def snap_encode(self, task: Task) -> SnapEncode:
        """Encode the data into a new replica beside the old one, which stays as it is."""
        sector, files = task.sector, task.sector.files
        size = seal_proof(sector.proof_type).sector_size
        store, old = self._old(task)
        prepare = partial(local.prepare_snap_encode, files, old, size)
        async with self.stages.mounts.on(store):
            result = await self.stages.run(
                task,
                inputs.snap_encode(sector, files),
                files,
                partial(local.prepare_with_room, files, "snap_encode", size, prepare),
                partial(local.settle_update, files),
            )
        return SnapEncode(comm_r=result.answer.comm_r_new, comm_d=result.answer.comm_d_new)

    @activity.defn
    async def snap_prove(self, task: Task) -> SnapProve:
        """Make the proof of the upgrade, and verify it before anybody else sees it."""
        await require_parameters(self.parameters_ready, "update", task.sector)
        vanilla = await self._vanilla(task)
        return SnapProve(proof=await prove_update(self.stages, task, vanilla, task.sector.files))

    @activity.defn
    async def pack_vanilla(self, task: Task) -> Parcel:
        """Make the vanilla proofs of the upgrade, and pack them for the machine that proves them."""
        return await self.parcels.pack(task.sector.id, await self._vanilla(task))

    async def _vanilla(self, task: Task) -> FileRef:
        files = task.sector.files
        result = await self.stages.run(task, inputs.snap_vanilla(task.sector, files), files)
        return result.output_ref

    def _old(self, task: Task) -> tuple[Path, SectorFiles]:
        """Return the store of the old replica, and its files there."""
        name = known(task.sector.upgrade, "old replica").access_instance
        if name not in self.stores:
            raise Permanent(
                f"the replica of {task.sector.id} is in store {name}, which is not attached here "
                f"({', '.join(sorted(self.stores)) or 'none is'}): attach it and start the worker again, then resume"
            )
        return self.stores[name], SectorFiles.stored(self.stores[name], task.sector.id)


async def prove_update(
    stages: Stages, task: Task, vanilla: FileRef, files: SectorFiles, **how: Unpack[Elsewhere]
) -> Base64:
    """Return the Groth16 proof of an upgrade's vanilla proofs, verified. Permanent for one that is refused."""
    sector, wanted = task.sector, inputs.snap_prove(task.sector, vanilla)
    made = await stages.run(task, wanted, files, **how)
    checked = await stages.run(task, inputs.verify_snap(sector, made.answer), files)
    if not checked.answer:
        # Kept, it would be taken for the result of the next try too.
        job.discard(files.job(wanted.stage))
        raise Permanent(f"verify_snap refuses the proof of {sector.id}; resume makes a new one")
    return made.answer
