"""The sealing stages. Each is a job that outlives the worker; what it starts from is put right before each start.

Dies here: the worker, and the job runs on and is taken up; the job, and it is a Temporary failure and starts again
from prepared files. Runs twice: a job whose inputs have not changed and that has ended well is not run again.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.chain import expired, known, outlived
from activities.stages import Stages
from sealing.failures import Permanent
from sealing.flow.events import C1, C2, PC1, PC2, PC2NeedSyntheticProof, SyntheticPoRep, TicketExpired
from sealing.processors import job, tasks
from sealing.proofs import seal_proof
from sealing.sector import Sector, Task
from sealing.stores import local
from sealing.stores.layout import SectorFiles


@dataclass(frozen=True)
class ProvingActivities:
    """Stages on the sector's machine."""

    stages: Stages

    @activity.defn
    async def pc1(self, task: Task) -> PC1 | TicketExpired:
        """Compute the labels, and leave a mark that the sealed file holds the plain data."""
        sector, files = task.sector, _files(task)
        ticket = known(sector.ticket, "ticket")
        if why := outlived(ticket, task.settings):
            return expired(ticket, task.settings, why)
        stage = tasks.PC1.of(sector, files)
        result = await self.stages.run(sector, stage, files, partial(local.prepare_pc1, files, stage.wire()))
        local.mark_pristine(files)
        return PC1(pc1_output=result.output_ref)

    @activity.defn
    async def pc2(self, task: Task) -> PC2 | PC2NeedSyntheticProof | TicketExpired:
        """Encode the replica in place and build its trees, from the data again if a PC2 has touched it before."""
        sector, files = task.sector, _files(task)
        ticket = known(sector.ticket, "ticket")
        if why := outlived(ticket, task.settings):
            return expired(ticket, task.settings, why)
        result = await self.stages.run(sector, tasks.PC2.of(sector, files), files, partial(local.prepare_pc2, files))
        sealed = tasks.PC2.read(result.output)
        event = PC2NeedSyntheticProof if seal_proof(sector.proof_type).synthetic else PC2
        return event(comm_r=sealed.comm_r, comm_d=sealed.comm_d)

    @activity.defn
    async def synthetic_porep(self, task: Task) -> SyntheticPoRep:
        """Make the synthetic vanilla proofs while the layers are still there."""
        files = _files(task)
        await self.stages.run(task.sector, tasks.SyntheticProofs.of(task.sector, files), files)
        return SyntheticPoRep(synthetic_proofs=str(files.cache))

    @activity.defn
    async def c1(self, task: Task) -> C1:
        """Make the vanilla proofs for the seed."""
        files = _files(task)
        result = await self.stages.run(task.sector, tasks.C1.of(task.sector, files), files)
        return C1(c1_output=result.output_ref)

    @activity.defn
    async def c2(self, task: Task) -> C2:
        """Make the Groth16 proof, and verify it before anybody else sees it."""
        sector, files = task.sector, _files(task)
        made = await self.stages.run(sector, tasks.C2.of(sector), files)
        proof = tasks.C2.read(made.output)
        checked = await self.stages.run(sector, tasks.VerifySeal.of(sector, proof), files)
        if checked.output is not True:
            # Kept, it would be taken for the result of the next try too.
            job.discard(files.job(tasks.C2.stage))
            raise Permanent(f"verify_seal refuses the proof of {sector.id}; resume makes a new one")
        return C2(proof=base64.b64encode(proof).decode())


def _files(task: Task) -> SectorFiles:
    sector: Sector = task.sector
    return SectorFiles.local(sector.home.location, sector.id)
