"""A stage takes its turn before it is started, whatever was seen of its job before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from activities.stages import Stages
from activities.step import Spent, _spent
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.processors import inputs, job, launch
from sealing.processors.admission import Admission
from sealing.processors.job import Job
from sealing.processors.launch import Begun
from sealing.processors.processor import Processor
from sealing.processors.turns import Ask, Limits
from sealing.sector import Settings, Task
from sealing.stores.layout import SectorFiles
from tests.world.stage import come_to

SECTOR = come_to(SEALER, State.C1Done)
TASK = Task(sector=SECTOR, settings=Settings(), state=State.C1Done)
WANTED = inputs.verify_seal(SECTOR, "cHJvb2Y=")
SLEEPER = Processor("sleeper", ("/bin/sh", "-c", "exec sleep 60", "sh"))


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[SectorFiles]:
    """Return the files of a sector. Its jobs are stopped at the end."""
    made = SectorFiles.local(str(tmp_path), SECTOR.id)
    yield made
    await job.stop_all(made.jobs, grace=0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - processes set no event here
            await asyncio.sleep(0.02)


def attempt(admission: Admission, files: SectorFiles) -> asyncio.Task[None]:
    """Begin an attempt at the stage."""

    async def run() -> None:
        _spent.set(Spent())
        await Stages(lambda _: (SLEEPER,), admission).run(TASK, WANTED, files)

    return asyncio.create_task(run())


async def let_go(running: asyncio.Task[None]) -> None:
    """End an attempt; its job runs on."""
    running.cancel()
    await asyncio.wait([running])


async def test_a_job_that_dies_right_after_it_was_seen_is_started_in_its_turn_only(
    files: SectorFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a job was taken for one that is done, and started again beside the one that has the slot."""
    folder, look, before = files.job(WANTED.stage), launch._found, Admission(Limits())
    died = threading.Event()
    first = attempt(before, files)
    await until(lambda: job.running(folder))
    await let_go(first)

    def dies_when_seen(made: Job[bool]) -> Begun | None:
        found = look(made)
        made.files.halt(grace=0)
        monkeypatch.setattr(launch, "_found", look)
        died.set()
        return found

    monkeypatch.setattr(launch, "_found", dies_when_seen)
    admission = Admission(Limits({WANTED.stage: 1}))
    async with admission.admit(Ask(WANTED.stage, tmp_path / "other", (SLEEPER,))):
        second = attempt(admission, files)
        await until(died.is_set)
        await until(lambda: bool(admission.board.waiting) or job.running(folder))
        assert [waiting.key for waiting in admission.board.waiting] == [folder]
        await until(lambda: not job.running(folder))
    await until(lambda: job.running(folder))
    await let_go(second)
    await job.stop(folder, grace=0)
    await until(lambda: not any(stage.used for each in (before, admission) for stage in each.board.stages))
