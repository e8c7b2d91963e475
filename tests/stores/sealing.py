"""Seals a sector without deals by jobs, as far as a test wants, with a processor that a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sealing.background import Check
from sealing.processors.job import Job, JobResult, Start, run
from sealing.processors.processor import Processor
from sealing.processors.tasks import C1, Commitments, Pc1, Pc2, Replica, StageTask, SyntheticProofs, TreeD
from sealing.processors.tasks import AddPieces as Add
from sealing.proofs import prover_id
from sealing.stores import local
from sealing.stores.layout import TREE_D, SectorFiles
from sealing.values import FileRef, Piece

T = TypeVar("T")
PROOF, SIZE = "StackedDrg2KiBV1_1", 2048
PROVER = prover_id(1000).hex()
TICKET, SEED = "11" * 31 + "00", "22" * 31 + "00"


@dataclass
class Sealing:
    """A sector that is being sealed."""

    files: SectorFiles
    argv: tuple[str, ...]
    proof: str = PROOF
    round: int = 0
    env: dict[str, str] | None = None
    on_alive: Callable[[dict[str, Any]], None] = lambda _: None

    async def run(
        self,
        task: StageTask[T],
        prepare: Callable[[SectorFiles, Start], None] | None = None,
        settle: Callable[[SectorFiles, Check], None] | None = None,
    ) -> JobResult[T]:
        """Run a stage with what makes its files ready and settles them."""
        hooks: dict[str, Any] = {"prepare": prepare and partial(prepare, self.files)}
        hooks["settle"] = settle and partial(settle, self.files)
        job = Job(
            self.files.job(task.stage),
            Processor(task.stage, self.argv, self.env, inherit_env=False)
            if self.env
            else Processor(task.stage, self.argv),
            task,
            self.round,
            **{name: hook for name, hook in hooks.items() if hook},
        )
        return await run(job, on_alive=self.on_alive, beat=0.02)

    async def pieces(self) -> tuple[Piece, ...]:
        """Write the data and its tree."""
        task = Add(seal_proof_type=self.proof, pieces=(), staged_filepath=str(self.files.unsealed))
        added = await self.run(task, local.prepare_add_pieces, local.settle_add_pieces)
        tree = TreeD(
            registered_proof=self.proof, staged_file=str(self.files.unsealed), cache_dir=str(self.files.prepared)
        )
        await self.run(tree, local.prepare_tree_d, local.settle_tree_d)
        return added.answer

    async def pc1(self, pieces: tuple[Piece, ...], ticket: str = TICKET) -> FileRef:
        """Compute the labels."""
        task = Pc1(
            registered_proof=self.proof,
            cache_path=str(self.files.cache),
            in_path=str(self.files.unsealed),
            out_path=str(self.files.sealed),
            prover_id=PROVER,
            sector_id=5,
            ticket=ticket,
            piece_infos=pieces,
        )

        def prepare(files: SectorFiles, start: Start) -> None:
            local.prepare_pc1(files, files.prepared / TREE_D, start)

        return (await self.run(task, prepare, local.settle_pc1)).output_ref

    async def pc2(self, pc1_output: FileRef) -> Commitments:
        """Encode the replica."""
        task = Pc2(pc1out=pc1_output, cache_dir=str(self.files.cache), sealed_file=str(self.files.sealed))
        return (await self.run(task, local.prepare_pc2, local.settle_cache)).answer

    def replica(self, pieces: tuple[Piece, ...], commitments: Commitments) -> dict[str, Any]:
        """Return the fields of a task on the sealed sector."""
        return Replica(
            registered_proof=self.proof,
            cache_path=str(self.files.cache),
            replica_path=str(self.files.sealed),
            prover_id=PROVER,
            sector_id=5,
            ticket=TICKET,
            comm_r=commitments.comm_r,
            comm_d=commitments.comm_d,
            piece_infos=pieces,
        ).__dict__

    async def c1(self, pieces: tuple[Piece, ...], commitments: Commitments) -> FileRef:
        """Make the vanilla proofs, which fail for a replica that PC2 spoiled."""
        return (await self.run(C1(seed=SEED, **self.replica(pieces, commitments)))).output_ref

    async def synthetic(self, pieces: tuple[Piece, ...], commitments: Commitments) -> None:
        """Make the synthetic proofs."""
        await self.run(SyntheticProofs(**self.replica(pieces, commitments)), settle=local.settle_cache)


async def until(true: Callable[[], object]) -> None:
    """Look again and again until something outside this process is so."""
    while not true():  # noqa: ASYNC110 - other processes set no event here
        await asyncio.sleep(0.01)


def content(path: Path) -> bytes:
    """Return a file's bytes; for tests, which may wait for a disk."""
    return path.read_bytes()
