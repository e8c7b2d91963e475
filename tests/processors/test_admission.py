"""Admission: never more than the limits, first come, first served, and a job that runs on keeps its slot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealing.processors.admission import Admission
from sealing.processors.job import run, stop
from tests.processors.jobs import Alive, script_job, starts


class Jobs:
    """Jobs that run or not, as a test says."""

    def __init__(self) -> None:
        """Start with none."""
        self.running: dict[Path, asyncio.Event] = {}

    def start(self, key: Path) -> None:
        """Let a job run."""
        self.running[key] = asyncio.Event()

    def end(self, key: Path) -> None:
        """Let a job end."""
        self.running.pop(key).set()

    def runs(self, key: Path) -> bool:
        """Tell whether it runs."""
        return key in self.running

    async def ended(self, key: Path) -> None:
        """Wait for its end."""
        if key in self.running:
            await self.running[key].wait()

    def admission(self, **limits: int) -> Admission:
        """Return an admission that knows these jobs."""
        return Admission(limits, runs=self.runs, ended=self.ended)


async def settle() -> None:
    """Let every task go on as far as it can."""
    for _ in range(8):
        await asyncio.sleep(0)


class Attempt:
    """An attempt at a job: waits, then holds its slot until it is told to leave."""

    def __init__(self, admission: Admission, stage: str, key: Path) -> None:
        """Begin to wait."""
        self.stage, self.key = stage, key
        self.inside = False
        self.waited = 0.0
        self._leave = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(admission))

    async def _run(self, admission: Admission) -> None:
        async with admission.admit(self.stage, self.key) as self.waited:
            self.inside = True
            try:
                await self._leave.wait()
            finally:
                self.inside = False

    async def leave(self, *, cancel: bool = False) -> None:
        """Leave, or be cancelled, wherever it is."""
        if cancel:
            self.task.cancel()
        self._leave.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


def key(number: int) -> Path:
    """Return a job's folder."""
    return Path(f"/jobs/{number}")


def status(admission: Admission, stage: str) -> tuple[int, int | None, list[Path]]:
    """Return what is used, the limit, and who waits."""
    found = next(each for each in admission.status() if each.stage == stage)
    return found.used, found.total, [path for path, _ in found.waiting]


async def test_first_come_first_served() -> None:
    """Who comes first is let in first, and is told how long it waited."""
    admission = Jobs().admission(pc1=1)
    attempts = [Attempt(admission, "pc1", key(number)) for number in range(3)]
    await settle()
    assert [attempt.inside for attempt in attempts] == [True, False, False]
    assert status(admission, "pc1") == (1, 1, [key(1), key(2)])
    await asyncio.sleep(0.05)
    await attempts[0].leave()
    await settle()
    assert [attempt.inside for attempt in attempts] == [False, True, False]
    assert attempts[0].waited < 0.05 <= attempts[1].waited
    for attempt in attempts[1:]:
        await attempt.leave()
    assert status(admission, "pc1") == (0, 1, [])


async def test_stages_do_not_wait_for_each_other() -> None:
    """A stage that is full keeps no other stage waiting, and a stage without a limit never waits."""
    admission = Jobs().admission(pc1=1, pc2=1)
    stages = ["pc1", "pc1", "pc2", "c1", "c1"]
    attempts = [Attempt(admission, stage, key(number)) for number, stage in enumerate(stages)]
    await settle()
    assert [attempt.inside for attempt in attempts] == [True, False, True, True, True]
    assert status(admission, "c1") == (2, None, [])
    for attempt in attempts:
        await attempt.leave()


async def test_cancelled_while_waiting() -> None:
    """An attempt that is cancelled while it waits holds nothing and lets the next one come."""
    admission = Jobs().admission(pc1=1)
    attempts = [Attempt(admission, "pc1", key(number)) for number in range(3)]
    await settle()
    await attempts[1].leave(cancel=True)
    await attempts[0].leave()
    await settle()
    assert attempts[2].inside
    await attempts[2].leave()


async def test_cancelled_in_the_moment_of_its_turn() -> None:
    """An attempt that is let in and cancelled at once gives its slot on."""
    admission = Jobs().admission(pc1=1)
    first, second, third = (Attempt(admission, "pc1", key(number)) for number in range(3))
    await settle()
    first._leave.set()
    while status(admission, "pc1")[2] != [key(2)]:  # noqa: ASYNC110 - one step of the loop after the other
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
    first, second = Attempt(admission, "pc1", key(1)), Attempt(admission, "pc1", key(2))
    await settle()
    jobs.start(key(1))
    await first.leave(cancel=True)
    await settle()
    assert not second.inside
    assert status(admission, "pc1") == (1, 1, [key(2)])
    jobs.end(key(1))
    await settle()
    assert second.inside
    await second.leave()


async def test_the_next_attempt_takes_its_job_s_slot_over() -> None:
    """The next attempt at a job that runs goes past all who wait: its slot is its own."""
    jobs = Jobs()
    admission = jobs.admission(pc1=1)
    jobs.start(key(1))
    admission.adopt([("pc1", key(1)), ("pc1", key(1))])
    waiting, back = Attempt(admission, "pc1", key(2)), Attempt(admission, "pc1", key(1))
    late = Attempt(admission, "pc1", key(1))
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
    admission.adopt([("pc1", key(1)), ("pc1", key(2))])
    attempt = Attempt(admission, "pc1", key(3))
    for number in (1, 2):
        await settle()
        assert not attempt.inside
        jobs.end(key(number))
    await settle()
    assert attempt.inside
    await attempt.leave()


async def test_with_real_jobs(tmp_path: Path) -> None:
    """A real job that was let go of is seen to run, and its end is seen too."""
    admission = Admission({"tree_d": 1})
    job = script_job(tmp_path, f"echo >> {tmp_path}/starts; sleep 60")

    async def admitted() -> None:
        async with admission.admit("tree_d", job.folder):
            await run(job, on_alive=Alive())

    attempt = asyncio.create_task(admitted())
    while not starts(tmp_path):  # noqa: ASYNC110 - other processes set no event here
        await asyncio.sleep(0.02)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    other = Attempt(admission, "tree_d", tmp_path / "other")
    await settle()
    assert not other.inside
    await stop(job.folder, grace=0)
    async with asyncio.timeout(10):
        while not other.inside:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await other.leave()


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "leave", "cancel", "let go", "end"]), st.integers(0, 7), st.integers(0, 9)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 3))
def test_never_beyond_the_limits_and_nobody_starves(steps: Sequence[tuple[str, int, int]], limit: int) -> None:
    """Whatever comes, leaves, is cancelled anywhere or runs on: the limit holds, order holds, all get their turn."""
    asyncio.run(_play(steps, limit))


async def _play(steps: Sequence[tuple[str, int, int]], limit: int) -> None:
    jobs = Jobs()
    admission = jobs.admission(a=limit, b=limit)
    attempts: list[Attempt] = []
    for what, number, pick in steps:
        if what == "come":
            attempts.append(Attempt(admission, "ab"[number % 2], key(number)))
        elif what == "end" and jobs.running:
            jobs.end(sorted(jobs.running)[pick % len(jobs.running)])
        elif attempts and what in {"leave", "cancel", "let go"}:
            await _one_leaves(jobs, attempts.pop(pick % len(attempts)), what)
        if pick % 2:
            await settle()
            _check(admission, attempts, limit)
    while jobs.running:
        jobs.end(next(iter(jobs.running)))
    while attempts:
        await settle()
        inside = [attempt for attempt in attempts if attempt.inside]
        assert inside, "all wait and nobody is inside"
        await inside[0].leave()
        attempts.remove(inside[0])
    await settle()
    assert all((each.used, each.waiting) == (0, ()) for each in admission.status())


async def _one_leaves(jobs: Jobs, attempt: Attempt, what: str) -> None:
    if what == "let go" and attempt.inside and not jobs.runs(attempt.key):
        jobs.start(attempt.key)
    await attempt.leave(cancel=what != "leave" or not attempt.inside)


def _check(admission: Admission, attempts: list[Attempt], limit: int) -> None:
    for stage in "ab":
        held = {attempt.key for attempt in attempts if attempt.inside and attempt.stage == stage}
        assert len(held) <= limit
        waiting = [attempt for attempt in attempts if not attempt.inside and attempt.stage == stage]
        used = next((each.used for each in admission.status() if each.stage == stage), 0)
        assert len(held) <= used <= limit
        assert not waiting or used == limit, "a slot is free and somebody waits"
        assert not held & {attempt.key for attempt in waiting}, "waits for a slot that its job has"
