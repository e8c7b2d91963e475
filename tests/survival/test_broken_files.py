"""Files of a job that are broken while no worker looks: found out, and computed again where nobody was told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.failures import Level
from sealing.flow.state import State
from sealing.processors.folder import JobFolder
from tests.survival.jobs import begun, pid
from tests.survival.program import WorkerProgram, program
from tests.world.plant import Plant, plant

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


def half(path: Path) -> None:
    """Cut a file in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    """Leave nothing of a file but its name."""
    path.write_bytes(b"")


def other(path: Path) -> None:
    """Write JSON of another shape."""
    path.write_text('{"output": 7}')


def gone(path: Path) -> None:
    """Remove a file."""
    path.unlink()


Breaking = Callable[[Path], None]
PATIENCE = 150.0
"""Seconds: four plants run side by side, each with a worker of its own."""
WAYS: tuple[Breaking, ...] = (half, empty, other, gone)


def job(built: Plant, stage: str) -> JobFolder:
    """Return the folder of the sector's job."""
    return JobFolder(built.folder / "threads" / "0" / "data" / "jobs" / str(built.id()) / stage)


async def killed_in_pc1(built: Plant, worker: WorkerProgram) -> None:
    """Kill the worker while PC1 runs."""
    await begun(built)
    worker.kill()
    await worker.gone()


async def finished_well(built: Plant) -> None:
    """Wait for the sector's end: with one pre-commit, one proof, and nothing left behind."""
    assert (await built.finished()).state is State.Finished
    assert [message.replaced_at for message in built.observer.messages(built.id())] == [None, None]
    assert built.left_behind() == []


async def test_an_output_that_nobody_has_taken_yet(temporal: Client, tmp_path: Path) -> None:
    """A worker that comes back to a broken output computes the stage again, once."""
    again = partial(_computed_again, temporal, name="output.json", ended=True)
    await asyncio.gather(*(again(tmp_path / way.__name__, way) for way in WAYS))


async def test_the_record_of_a_job_that_runs(temporal: Client, tmp_path: Path) -> None:
    """What runs is not known to be this job, so it is ended, and the stage is computed from the beginning."""
    again = partial(_computed_again, temporal, name="job.json", ended=False)
    await asyncio.gather(*(again(tmp_path / way.__name__, way) for way in WAYS))


async def _computed_again(client: Client, folder: Path, broken: Breaking, *, name: str, ended: bool) -> None:
    """Break a file of PC1's, whose worker was killed: while it runs, or when it has ended."""
    async with plant(client, folder) as built:
        built.patience = PATIENCE
        built.simulate(pc1={"seconds": 1 if ended else 2, "times": 1})
        async with program(built) as worker:
            await killed_in_pc1(built, worker)
            if ended:
                await built.until(lambda: pid(built) is None, "PC1 to end")
            broken(job(built, "pc1").path / name)
            await worker.start()
            await finished_well(built)
        assert (built.starts("pc1"), built.starts("pc2")) == (2, 1)


async def returned_to_broken(built: Plant, worker: WorkerProgram, broken: Breaking) -> None:
    """Kill the worker and its job during PC2, break what PC1 has made, and start the worker."""
    await built.until(lambda: built.starts("pc2"), "PC2 to start")
    worker.kill()
    await worker.gone()
    broken(job(built, "pc1").output)
    (killed := job(built, "pc2")).halt(grace=0)
    assert not killed.is_running()
    await worker.start()


async def test_an_output_that_the_next_stage_needs(temporal: Client, tmp_path: Path) -> None:
    """PC2 is never given other labels than PC1 has made: the sector stands still, and says where to resume."""
    await asyncio.gather(*(_needed(temporal, tmp_path / way.__name__, way) for way in WAYS))


async def _needed(client: Client, folder: Path, broken: Breaking) -> None:
    go = folder / "go"
    async with plant(client, folder) as built:
        built.patience = PATIENCE
        built.simulate(pc2={"until": str(go)})
        async with program(built) as worker:
            await returned_to_broken(built, worker, broken)
            go.touch()
            status = await built.parked()
            assert status.failure is not None
            assert status.failure.level is Level.Permanent
            assert "resume to the state before that stage" in status.failure.text
            await built.sector().signal("resume", "TicketAssigned")
            await finished_well(built)
