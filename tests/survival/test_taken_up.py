"""What runs on while no worker is there: the next one waits for it, takes what it left, and counts it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.survival.jobs import begun, followed, heard, pid
from tests.survival.program import WorkerProgram, program
from tests.survival.test_kill import sealed_once
from tests.workflows.test_streams import alive, streams
from tests.world.plant import Plant, plant

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

DRAINS = 20.0
"""Seconds that a worker that drains may take; on a machine that does nothing else it is one or two."""
AT_HOME = ("pc1", "c2")
LIMITED = {
    "a slot of pc1": "limitation.concurrent.pc1 = 1",
    "lock gpu": '[[processors.pc1]]\nprotocol = "job"\nlocks = ["gpu"]\n[processors.ext_locks]\ngpu = 1',
}
"""What a job waits for, and the configuration by which it does."""


@pytest.mark.parametrize("stage", AT_HOME)
async def test_a_job_outlives_its_worker_and_is_taken_up(temporal: Client, tmp_path: Path, stage: str) -> None:
    """The worker killed, the next one waits for the same process, without another beside it, and takes its result."""
    go = tmp_path / "go"
    async with plant(temporal, tmp_path / "plant") as built:
        built.simulate(**{stage: {"until": str(go)}})
        async with program(built) as worker:
            process = await begun(built, stage)
            worker.kill()
            await worker.gone()
            assert pid(built, stage) == process
            await worker.start()
            await built.until(lambda: followed(worker, process), f"the next worker to wait for process {process}")
            assert (pid(built, stage), built.starts(stage)) == (process, 1)
            go.touch()
            await sealed_once(built)


@pytest.mark.parametrize("stage", AT_HOME)
async def test_a_job_that_has_ended_while_no_worker_was_there_is_not_run_again(
    temporal: Client, tmp_path: Path, stage: str
) -> None:
    """What it left is its result."""
    go = tmp_path / "go"
    async with plant(temporal, tmp_path / "plant") as built:
        built.simulate(**{stage: {"until": str(go)}})
        async with program(built) as worker:
            await begun(built, stage)
            worker.kill()
            await worker.gone()
            go.touch()
            await built.until(lambda: pid(built, stage) is None, f"{stage} to end")
            await worker.start()
            await sealed_once(built)
            assert built.starts(stage) == 1


@pytest.mark.parametrize("what", LIMITED)
async def test_a_job_that_nobody_waits_for_is_counted_by_the_next_worker(
    temporal: Client, tmp_path: Path, what: str
) -> None:
    """Its sector is paused, so that no activity asks for it; another sector's waits all the same, until it ends."""
    go = tmp_path / "go"
    async with plant(temporal, tmp_path / "plant", sectors=2, threads=2, processors=LIMITED[what]) as built:
        built.simulate(pc1={"until": str(go)})
        async with program(built) as worker:
            await built.until(lambda: running(built), "PC1 to run")
            (paused,) = running(built)
            other = 3 - paused
            process = pid(built, number=paused)
            await built.until(lambda: is_told(worker, other, what), "the other sector to wait for its turn")
            await built.sector(paused).signal("pause")
            await built.parked(paused)
            await built.until(lambda: is_let_go(built, paused), "the paused sector's activity to let go")
            worker.kill()
            await worker.gone()
            await worker.start()
            await built.until(lambda: is_told(worker, other, what), "the other sector to wait for its turn again")
            assert (running(built), pid(built, number=paused), built.starts("pc1")) == ([paused], process, 1)
            go.touch()
            await built.finished(other)
            await built.sector(paused).signal("resume")
            await built.finished(paused)
            assert built.starts("pc1") == 2


async def test_a_worker_that_is_asked_to_end_does_so_at_once_and_its_jobs_run_on(
    temporal: Client, tmp_path: Path
) -> None:
    """SIGTERM: exit status 0 within seconds while PC1 goes on; the next worker waits for the same process."""
    go = tmp_path / "go"
    async with plant(temporal, tmp_path / "plant") as built:
        built.simulate(pc1={"until": str(go)})
        async with program(built) as worker:
            process = await begun(built)
            async with asyncio.timeout(DRAINS):
                assert await worker.terminate() == 0
            assert pid(built) == process
            await worker.start()
            await built.until(lambda: followed(worker, process), f"the next worker to wait for process {process}")
            assert pid(built) == process
            go.touch()
            await sealed_once(built)


async def test_a_processor_of_others_ends_with_its_worker_and_the_next_does_its_task_again(
    temporal: Client, tmp_path: Path
) -> None:
    """SIGTERM while a stream is at PC1: it ends too, for its answer would reach nobody; no retry is used up by that."""
    cache = str(tmp_path / "cache")
    async with plant(temporal, tmp_path, processors=streams(tmp_path, "pc1")) as built:
        built.simulate(pc1={"until": str(tmp_path / "never")})
        async with program(built, SEALFLOW_CACHE=cache) as worker:
            await built.until(lambda: built.starts("pc1"), "PC1 to run")
            async with asyncio.timeout(DRAINS):
                assert await worker.terminate() == 0
            assert alive(built) == []
            built.simulate()
            await worker.start()
            summary = await built.finished()
            assert {stay.tries for stay in summary.stays} == {1}
            assert built.starts("pc1") == 2
            assert built.left_behind() == []


def running(built: Plant) -> list[int]:
    """Return the numbers of the sectors whose PC1 runs."""
    return [number for number in (1, 2) if pid(built, number=number)]


async def is_told(worker: WorkerProgram, number: int, what: str) -> bool:
    """Tell whether a sector's PC1 says that it waits for something; fails once it runs."""
    beat = await heard(worker, number)
    assert (beat.get("stage"), beat.get("phase")) != ("pc1", "running"), f"PC1 of sector {number} was let in"
    return str(beat.get("for", "")).startswith(what)


async def is_let_go(built: Plant, number: int) -> bool:
    """Tell whether no activity is left that waits for a sector's PC1: a worker that starts would be given it again."""
    pending = (await built.sector(number).describe()).raw_description.pending_activities
    return all(one.activity_type.name != "pc1" for one in pending)
