"""Admission: a job, not an attempt at it, holds its place, through cancellations and restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sealing.failures import Wait
from sealing.processors.admission import Admission, Limits, Running
from sealing.processors.job import run, stop
from sealing.processors.processor import Processor
from tests.processors.admitting import PLAIN, Attempt, Jobs, ask, key, settle
from tests.processors.jobs import Alive, script_job, starts

LOCKED = (("one", "a"), ("both", "a", "b"), ("other", "b"))
"""Processors and their locks."""


def attempt_at(admission: Admission, number: int, stage: str = "pc1") -> Attempt:
    """Begin an attempt at a job."""
    return Attempt(admission, ask(stage, key(number, stage)))


def found(number: int) -> Running:
    """Return a job of PC1 that was found running."""
    return Running("pc1", key(number), PLAIN, 0.0)


def status(admission: Admission, stage: str = "pc1") -> tuple[int, int | None, list[Path]]:
    """Return what is used, the limit, and who waits."""
    board = admission.board
    used, total = next((each.used, each.total) for each in board.stages if each.stage == stage)
    return used, total, [each.key for each in board.waiting if each.stage == stage]


async def test_first_come_first_served() -> None:
    """Who comes first is let in first, and is told how long it waited."""
    admission = Jobs().admission(pc1=1)
    attempts = [attempt_at(admission, number) for number in range(3)]
    await settle()
    assert [attempt.inside for attempt in attempts] == [True, False, False]
    assert status(admission) == (1, 1, [key(1), key(2)])
    await asyncio.sleep(0.05)
    await attempts[0].leave()
    await settle()
    assert [attempt.inside for attempt in attempts] == [False, True, False]
    assert attempts[0].waited < 0.05 <= attempts[1].waited
    for attempt in attempts[1:]:
        await attempt.leave()
    assert status(admission) == (0, 1, [])


async def test_stages_do_not_wait_for_each_other() -> None:
    """A stage that is full keeps no other stage waiting, and a stage without a limit never waits."""
    admission = Jobs().admission(pc1=1, pc2=1)
    stages = ["pc1", "pc1", "pc2", "c1", "c1"]
    attempts = [attempt_at(admission, number, stage) for number, stage in enumerate(stages)]
    await settle()
    assert [attempt.inside for attempt in attempts] == [True, False, True, True, True]
    assert status(admission, "c1") == (2, None, [])
    for attempt in attempts:
        await attempt.leave()


async def test_cancelled_while_waiting() -> None:
    """An attempt that is cancelled while it waits holds nothing and lets the next one come."""
    admission = Jobs().admission(pc1=1)
    attempts = [attempt_at(admission, number) for number in range(3)]
    await settle()
    await attempts[1].leave(cancel=True)
    await attempts[0].leave()
    await settle()
    assert attempts[2].inside
    await attempts[2].leave()


async def test_cancelled_in_the_moment_of_its_turn() -> None:
    """An attempt that is let in and cancelled at once gives its slot on."""
    admission = Jobs().admission(pc1=1)
    first, second, third = (attempt_at(admission, number) for number in range(3))
    await settle()
    first._leave.set()
    while status(admission)[2] != [key(2)]:  # noqa: ASYNC110 - one step of the loop after the other
        await asyncio.sleep(0)
    await second.leave(cancel=True)
    await settle()
    assert third.inside
    await third.leave()
    await first.leave()


async def test_a_job_that_runs_on_keeps_its_slot() -> None:
    """A job that was let go of holds its slot until it ends."""
    jobs = Jobs()
    admission = jobs.admission(pc1=1)
    first, second = attempt_at(admission, 1), attempt_at(admission, 2)
    await settle()
    jobs.start(key(1))
    await first.leave(cancel=True)
    await settle()
    assert not second.inside
    assert status(admission) == (1, 1, [key(2)])
    jobs.end(key(1))
    await settle()
    assert second.inside
    await second.leave()


async def test_the_next_attempt_takes_its_job_s_slot_over() -> None:
    """The next attempt at a job that runs goes past all who wait: its slot is its own."""
    jobs = Jobs()
    admission = jobs.admission(pc1=1)
    jobs.start(key(1))
    admission.adopt([found(1), found(1)])
    waiting, back = attempt_at(admission, 2), attempt_at(admission, 1)
    late = attempt_at(admission, 1)
    await settle()
    assert (waiting.inside, back.inside, late.inside) == (False, True, True)
    jobs.end(key(1))
    await back.leave()
    await settle()
    assert not waiting.inside
    await late.leave()
    await settle()
    assert waiting.inside
    await waiting.leave()


async def test_adopted_jobs_count_beyond_the_limit() -> None:
    """Jobs found running at the start count, be they more than the limit."""
    jobs = Jobs()
    admission = jobs.admission(pc1=1)
    for number in (1, 2):
        jobs.start(key(number))
    admission.adopt([found(1), found(2)])
    attempt = attempt_at(admission, 3)
    for number in (1, 2):
        await settle()
        assert not attempt.inside
        jobs.end(key(number))
    await settle()
    assert attempt.inside
    await attempt.leave()


async def test_with_real_jobs(tmp_path: Path) -> None:
    """A real job that was let go of is seen to run, and its end is seen too."""
    admission = Admission(Limits({"tree_d": 1}))
    job = script_job(tmp_path, f"echo >> {tmp_path}/starts; sleep 60")

    async def admitted() -> None:
        async with admission.admit(ask("tree_d", job.folder)):
            await run(job, on_alive=Alive())

    attempt = asyncio.create_task(admitted())
    while not starts(tmp_path):  # noqa: ASYNC110 - other processes set no event here
        await asyncio.sleep(0.02)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    other = Attempt(admission, ask("tree_d", tmp_path / "other"))
    await settle()
    assert not other.inside
    await stop(job.folder, grace=0)
    async with asyncio.timeout(10):
        while not other.inside:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await other.leave()


async def test_cancelled_while_another_lets_it_in() -> None:
    """A cancelled waiter that has not noticed yet harms nobody whose end gives it the place; the place goes on."""
    admission = Jobs().admission(pc1=1)
    first, second, third = (attempt_at(admission, number) for number in range(3))
    await settle()
    second.task.cancel()
    first._leave.set()
    await first.task
    await settle()
    assert second.task.cancelled()
    assert third.inside
    await third.leave()


async def test_all_are_cancelled_at_once() -> None:
    """A worker that drains cancels all: each ends as cancelled, also where one's end frees another's locks."""
    limits = Limits(locks={"a": 1, "b": 1})
    admission = Jobs().admission(limits)
    one, both, other = (Processor(name, ("true",), locks=tuple(locks)) for name, *locks in LOCKED)
    holder = Attempt(admission, ask("pc1", key(0), (one,)))
    waiting = [Attempt(admission, ask("pc2", key(1), (both,))), Attempt(admission, ask("c2", key(2), (other,)))]
    await settle()
    for attempt in waiting:
        attempt.task.cancel()
    await settle()
    assert all(attempt.task.cancelled() for attempt in waiting)
    await holder.leave()
    assert not any(lock.used for lock in admission.board.locks)


async def test_a_start_that_had_to_wait_holds_up_no_other() -> None:
    """Whose disk is full gets no staggered start again and again while the others get none."""
    admission = Jobs().admission(Limits(staggered={"pc1": 3600}))
    with pytest.raises(Wait):
        async with admission.admit(ask("pc1", key(1))):
            raise Wait("full", 60)
    other = attempt_at(admission, 2)
    await settle()
    assert other.inside
    await other.leave()


async def test_a_folder_that_cannot_be_looked_at_holds_nothing() -> None:
    """A disk that drops out while a stage runs keeps neither slot nor lock, and hides no failure."""

    def broken(_: Path) -> bool:
        raise OSError(5, "Input/output error")

    admission = Admission(Limits({"pc1": 1}), runs=broken)
    first, second = attempt_at(admission, 1), attempt_at(admission, 2)
    await settle()
    await first.leave()
    await settle()
    assert second.inside
    await second.leave()
