"""Our own program as a stream: the stages that the protocol has, driven by the worker's side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sealing.processors.job import Job, run
from sealing.processors.processor import Processor, Protocol
from sealing.processors.streams import streaming
from sealing.processors.tasks import AddPieces, Pc1, Pc2, StageTask, TreeD
from sealing.values import FileRef
from tests.real.crate import Crate
from tests.real.sector import PLAIN

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder in whose ``processors`` streams run."""
    async with streaming(tmp_path / "processors"):
        yield tmp_path


async def test_from_pieces_to_a_replica(crate: Crate, folder: Path) -> None:
    """Add pieces, tree D, PC1 and PC2, which gets PC1's output whole, make a sealed sector."""

    async def by_stream(task: StageTask[Any]) -> tuple[Any, FileRef]:
        argv = (str(crate.program), "processor", task.stage)
        processor = Processor(f"{task.stage}[0]", argv, crate.environment, protocol=Protocol.stream, stable_wait=30)
        result = await run(Job(folder / "jobs" / task.stage, processor, task, round=0), on_alive=lambda _: None)
        return result.answer, result.output_ref

    paths = unsealed, replica, _ = folder / "unsealed", folder / "sealed", folder / "cache"
    staged, sealed, cache = map(str, paths)
    pieces, _ = await by_stream(AddPieces(seal_proof_type=PLAIN, pieces=(), staged_filepath=staged))
    assert (await by_stream(TreeD(registered_proof=PLAIN, staged_file=staged, cache_dir=cache)))[0] is True
    identity = {"prover_id": "e807" + "00" * 30, "sector_id": 5, "ticket": "07" * 32}
    where = {"cache_path": cache, "in_path": staged, "out_path": sealed}
    labels, output = await by_stream(Pc1(registered_proof=PLAIN, **where, **identity, piece_infos=pieces))
    commitments, _ = await by_stream(Pc2(pc1out=output, cache_dir=cache, sealed_file=sealed))
    assert commitments.comm_d == labels.comm_d == pieces[0].commitment
    assert replica.read_bytes() != unsealed.read_bytes()
