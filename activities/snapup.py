"""The stages of an upgrade. As those of sealing: jobs that outlive the worker, from files that are put right before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from temporalio import activity

from activities.stages import Stages, require_parameters
from sealing.failures import Permanent
from sealing.flow.events import SnapEncode, SnapProve
from sealing.processors import inputs, job
from sealing.processors.inputs import known
from sealing.proofs import seal_proof
from sealing.sector import Task
from sealing.stores import local
from sealing.stores.layout import SectorFiles


@dataclass(frozen=True)
class SnapUpActivities:
    """Stages on the sector's machine."""

    stages: Stages
    stores: Mapping[str, Path]
    """Every store that is attached, by its name: the old replica may be in one that takes nothing new."""
    parameters_ready: Callable[[str], Awaitable[bool]]
    """Tells whether the proof of an upgrade can be made for a sector size, given by its name."""

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
        sector, files = task.sector, task.sector.files
        await require_parameters(self.parameters_ready, "update", sector)
        vanilla = await self.stages.run(task, inputs.snap_vanilla(sector, files), files)
        wanted = inputs.snap_prove(sector, vanilla.output_ref)
        made = await self.stages.run(task, wanted, files)
        checked = await self.stages.run(task, inputs.verify_snap(sector, made.answer), files)
        if not checked.answer:
            # Kept, it would be taken for the result of the next try too.
            job.discard(files.job(wanted.stage))
            raise Permanent(f"verify_snap refuses the proof of {sector.id}; resume makes a new one")
        return SnapProve(proof=made.answer)

    def _old(self, task: Task) -> tuple[Path, SectorFiles]:
        """Return the store of the old replica, and its files there."""
        name = known(task.sector.upgrade, "old replica").access_instance
        if name not in self.stores:
            raise Permanent(
                f"the replica of {task.sector.id} is in store {name}, which is not attached here "
                f"({', '.join(sorted(self.stores)) or 'none is'}): attach it and start the worker again, then resume"
            )
        return self.stores[name], SectorFiles.stored(self.stores[name], task.sector.id)
