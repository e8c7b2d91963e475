"""Work for other machines: who is at it, what is stopped, what is kept, and how long a turn is waited for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.guests import KEPT, Guests
from activities.stages import Stages
from activities.step import Spent, _spent
from sealing.failures import Wait
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.processors import inputs, job
from sealing.processors.admission import Admission
from sealing.processors.processor import Processor
from sealing.processors.turns import Ask, Limits
from sealing.sector import Settings, Task
from sealing.values import Parcel
from tests.world.stage import come_to

SECTOR = come_to(SEALER, State.C1Done)
TASK = Task(sector=SECTOR, settings=Settings(), state=State.C1Done)
SLEEPER = Processor("sleeper", ("/bin/sh", "-c", "exec sleep 60", "sh"))
PARCEL = Parcel(size=1, sha256="ab" * 32, inline="AA==")


@pytest.fixture
async def guests(tmp_path: Path) -> AsyncIterator[Guests]:
    """Return a folder for others' work; what runs in it at the end is stopped."""
    yield Guests(tmp_path, patience=0.2)
    for files in Guests(tmp_path, patience=1).running():
        await job.stop(files.path, grace=0)


def stages(admission: Admission | None = None) -> Stages:
    """Return the stages of a machine whose programs hang."""
    return Stages(lambda _: (SLEEPER,), admission or Admission(Limits()))


async def left_running(guests: Guests) -> Path:
    """Start a job and let go of it. Return the folder of its sector's jobs."""
    with guests.welcomed("c2", SECTOR, PARCEL) as guest:
        task = inputs.verify_seal(SECTOR, "cHJvb2Y=")

        async def run() -> None:
            _spent.set(Spent())
            await stages().run(TASK, task, guest.files)

        running = asyncio.create_task(run())
        async with asyncio.timeout(10):
            while not job.running(guest.files.job(task.stage)):  # noqa: ASYNC110 - a process sets no event
                await asyncio.sleep(0.02)
        await guests.sweep()
        assert job.running(guest.files.job(task.stage)), "stopped although somebody is at it"
        running.cancel()
        await asyncio.wait([running])
        return guest.files.jobs


async def test_a_job_on_its_own_is_stopped_after_a_while(guests: Guests) -> None:
    """Not at once: somebody may come back for it."""
    jobs = await left_running(guests)
    await guests.sweep()
    assert [folder for folder in jobs.iterdir() if folder.is_dir() and job.running(folder)]
    await asyncio.sleep(0.3)
    await guests.sweep()
    assert not [folder for folder in jobs.iterdir() if folder.is_dir() and job.running(folder)]
    assert jobs.is_dir(), "its result would be kept"


async def test_a_worker_that_starts_gives_them_the_time_anew(guests: Guests) -> None:
    """The task may be on its way back: it was away while the worker was."""
    jobs = await left_running(guests)
    an_hour_ago = time.time() - 3600
    os.utime(jobs / "attended", (an_hour_ago, an_hour_ago))
    again = Guests(guests.root, patience=1)
    await again.sweep()
    assert [files.path for files in again.running()] == [jobs / "verify_seal"]
    assert [folder for folder in jobs.iterdir() if folder.is_dir() and job.running(folder)]


async def test_results_are_kept_for_a_day(guests: Guests) -> None:
    """And are gone afterwards."""
    with guests.welcomed("c2", SECTOR, PARCEL) as guest:
        assert guest.files.jobs.is_dir()
    await guests.sweep()
    assert guest.files.jobs.is_dir()
    before = time.time() - KEPT - 1
    os.utime(guest.files.jobs / "attended", (before, before))
    await guests.sweep()
    assert not guest.files.jobs.exists()


def test_other_work_has_another_folder(tmp_path: Path) -> None:
    """Of another round, of another input, or of another stage: neither is taken for the other."""
    guests = Guests(tmp_path, patience=1)
    later = SECTOR.model_copy(update={"round": 1})
    other = PARCEL.model_copy(update={"sha256": "cd" * 32})
    given = [("c2", SECTOR, PARCEL), ("c2", later, PARCEL), ("c2", SECTOR, other), ("snap_prove", SECTOR, PARCEL)]
    folders = set()
    for stage, sector, parcel in given:
        with guests.welcomed(stage, sector, parcel) as guest:
            folders.add(guest.files.jobs)
    assert len(folders) == len(given)


async def test_a_machine_without_a_turn_gives_the_task_back(tmp_path: Path) -> None:
    """After a while, so that another machine may have it; and it holds nothing."""
    admission = Admission(Limits({"verify_seal": 1}))
    task = inputs.verify_seal(SECTOR, "cHJvb2Y=")
    guests = Guests(tmp_path, patience=1)

    async def run() -> None:
        _spent.set(Spent())
        with guests.welcomed("c2", SECTOR, PARCEL) as guest:
            await stages(admission).run(TASK, task, guest.files, patience=0.1)

    async with admission.admit(Ask("verify_seal", tmp_path / "other", (SLEEPER,))):
        with pytest.raises(Wait, match="no turn for verify_seal on this machine yet"):
            await ActivityEnvironment().run(run)
    async with asyncio.timeout(5), admission.admit(Ask("verify_seal", tmp_path / "third", (SLEEPER,))):
        pass


async def test_a_full_disk_is_waited_for(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot write parks no sector: the task waits, and another machine may have it."""

    def full(_: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("activities.guests._touch", full)
    with pytest.raises(Wait, match="waiting for space"), guests.welcomed("c2", SECTOR, PARCEL):
        pass


async def test_the_watch_outlives_what_it_cannot_look_at(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    """One folder that cannot be looked at ends neither the look at the others nor the watch."""
    with guests.welcomed("c2", SECTOR, PARCEL) as guest:
        pass

    def broken(_: Path) -> bool:
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr("activities.guests._runs", broken)
    await guests.sweep()
    assert guest.files.jobs.is_dir()
