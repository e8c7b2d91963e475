"""The sealing stages. Each is a job that outlives the worker; what it starts from is put right before each start.

Dies here: the worker, and the job runs on and is taken up; the job, and it is a Temporary failure and starts again
from prepared files. Runs twice: a job whose inputs have not changed and that has ended well is not run again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Unpack

from temporalio import activity

from activities.chain import BEGUN_AGAIN, expired, outlived
from activities.parcels import NO_EXCHANGE, Parcels
from activities.stages import Elsewhere, Stages, require_parameters
from sealing.failures import Permanent, SealingFailure
from sealing.flow.events import C1, C2, PC1, PC2, PC2NeedSyntheticProof, SyntheticPoRep, TicketExpired
from sealing.processors import inputs, job
from sealing.processors.folder import JobFolder
from sealing.processors.inputs import known
from sealing.processors.job import Start
from sealing.processors.outcome import found_answer
from sealing.proofs import seal_proof
from sealing.sector import Task
from sealing.stores import local
from sealing.stores.layout import SectorFiles
from sealing.values import Base64, Parcel


class Outlived(SealingFailure):
    """The ticket became too old while the stage waited for its turn."""


def _prepare(task: Task, stage: str, prepare: Callable[[Start], None], start: Start) -> None:
    """Look at the ticket once more when the job is really started: the wait for that may have been long."""
    if why := outlived(task.sector, task.settings):
        raise Outlived(why)
    size = seal_proof(task.sector.proof_type).sector_size
    local.prepare_with_room(task.sector.files, stage, size, prepare, start)


@dataclass(frozen=True)
class ProvingActivities:
    """Stages on the sector's machine."""

    stages: Stages
    parameters_ready: Callable[[str], Awaitable[bool]]
    """Tells whether C2 can run for a sector size, given by its name."""
    parcels: Parcels = NO_EXCHANGE
    """Packs C1's output, where C2 runs on another machine."""

    @activity.defn
    async def pc1(self, task: Task) -> PC1 | TicketExpired:
        """Compute the labels, and leave a mark that the sealed file holds the plain data."""
        sector, files = task.sector, task.sector.files
        ticket = known(sector.ticket, "ticket")
        if why := outlived(sector, task.settings):
            return expired(ticket, task.settings, why)
        tree = Path(known(sector.tree_d, "tree-d"))
        try:
            result = await self.stages.run(
                task,
                inputs.pc1(sector, files),
                files,
                partial(_prepare, task, "pc1", partial(local.prepare_pc1, files, tree)),
                partial(local.settle_pc1, files),
            )
        except Outlived as old:
            return expired(ticket, task.settings, str(old))
        return PC1(pc1_output=result.output_ref)

    @activity.defn
    async def pc2(self, task: Task) -> PC2 | PC2NeedSyntheticProof | TicketExpired:
        """Encode the replica in place and build its trees, from the data again if a PC2 has touched it before."""
        sector, files = task.sector, task.sector.files
        ticket = known(sector.ticket, "ticket")
        if why := outlived(sector, task.settings):
            return expired(ticket, task.settings, why)
        try:
            result = await self.stages.run(
                task,
                inputs.pc2(sector, files),
                files,
                partial(_prepare, task, "pc2", partial(local.prepare_pc2, files)),
                partial(local.settle_cache, files),
            )
        except Outlived as old:
            return expired(ticket, task.settings, str(old))
        event = PC2NeedSyntheticProof if seal_proof(sector.proof_type).synthetic else PC2
        return event(comm_r=result.answer.comm_r, comm_d=result.answer.comm_d)

    @activity.defn
    async def synthetic_porep(self, task: Task) -> SyntheticPoRep:
        """Make the synthetic vanilla proofs while the layers are still there."""
        sector, files = task.sector, task.sector.files
        settle = partial(local.settle_cache, files)
        await self.stages.run(task, inputs.synthetic_proofs(sector, files), files, settle=settle)
        return SyntheticPoRep(synthetic_proofs=str(files.cache))

    @activity.defn
    async def c1(self, task: Task) -> C1:
        """Make the vanilla proofs for the seed."""
        sector, files = task.sector, task.sector.files
        result = await self.stages.run(task, inputs.c1(sector, files), files)
        return C1(c1_output=result.output_ref)

    @activity.defn
    async def check_replica(self, task: Task) -> bool:
        """Look whether the replica on this machine is the one whose commitment the sector has. Permanent if not."""
        sector, files = task.sector, task.sector.files
        wanted = inputs.pc2(sector, files)
        made = found_answer(JobFolder.at(files.job(wanted.stage)), wanted)
        if made is None or made.comm_r != sector.comm_r or not files.sealed.is_file():
            raise Permanent(
                f"the replica here is not the one with comm_r {sector.comm_r}: the workflow was {BEGUN_AGAIN}, to "
                "before later work on the same files; reset it to a later point, or resume to TreeDBuilt for a new one"
            )
        return True

    @activity.defn
    async def stop_jobs(self, task: Task) -> bool:
        """End the sector's jobs: what they have not finished is computed again."""
        await self.stages.stop(task.sector)
        return True

    @activity.defn
    async def c2(self, task: Task) -> C2:
        """Make the Groth16 proof, and verify it before anybody else sees it."""
        await require_parameters(self.parameters_ready, "proof", task.sector)
        return C2(proof=await prove_seal(self.stages, task, task.sector.files))

    @activity.defn
    async def pack_c1(self, task: Task) -> Parcel:
        """Pack C1's output for the machine that runs C2."""
        return await self.parcels.pack(task.sector.id, known(task.sector.c1_output, "output of C1"))


async def prove_seal(stages: Stages, task: Task, files: SectorFiles, **how: Unpack[Elsewhere]) -> Base64:
    """Return the Groth16 proof of C1's output, verified. Permanent for one that is refused."""
    sector, wanted = task.sector, inputs.c2(task.sector)
    made = await stages.run(task, wanted, files, **how)
    proof = made.answer.proof
    checked = await stages.run(task, inputs.verify_seal(sector, proof), files)
    if not checked.answer:
        # Kept, it would be taken for the result of the next try too.
        job.discard(files.job(wanted.stage))
        raise Permanent(f"verify_seal refuses the proof of {sector.id}; resume makes a new one")
    return proof
