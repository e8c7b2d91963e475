"""Who may run a stage on this machine, and when: the rules of ``turns`` with a clock, waiting, and jobs that live on.

What is admitted is a job, known by its folder, and not an attempt at it: a job that runs on without its activity
keeps its slot and its locks until it ends, or until the next attempt at it takes them over without waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sealing.failures import Wait
from sealing.processors.job import job_ended, running
from sealing.processors.processor import Processor
from sealing.processors.turns import Ask, Lack, Limits, Turns, Waiter

log = logging.getLogger(__name__)

__all__ = ["Admission", "Ask", "Board", "Limits", "LockUse", "Running", "StageUse", "Turn", "Waiting"]


@dataclass(frozen=True)
class Running:
    """A job that was found running when the worker started; ``started`` in seconds since 1970."""

    stage: str
    key: Path
    processor: Processor
    started: float


@dataclass(frozen=True)
class Turn:
    """That a job may run: on which processor, and the seconds that it has waited."""

    processor: Processor
    waited: float


@dataclass(frozen=True)
class Waiting:
    """A job that waits: since when, in seconds since 1970, for what, and how many of its stage are before it."""

    stage: str
    key: Path
    since: float
    lack: Lack
    text: str
    ahead: int
    locks: tuple[str, ...] = ()
    """The locks that it waits for, if it does."""


@dataclass(frozen=True)
class StageUse:
    """A stage's slots: how many are used, of how many (None: no limit), and since when the first of them is."""

    stage: str
    used: int
    total: int | None
    since: float | None = None


@dataclass(frozen=True)
class LockUse:
    """A lock: how many hold it, of how many that may (None: any number)."""

    lock: str
    used: int
    total: int | None


@dataclass(frozen=True)
class Board:
    """How it stands on this machine: every stage that has a limit, a job or a waiter; locks; who waits, in order."""

    stages: tuple[StageUse, ...] = ()
    locks: tuple[LockUse, ...] = ()
    waiting: tuple[Waiting, ...] = ()


@dataclass
class _Attempts:
    """The attempts at a job that runs or is about to; without any, who watches for its end."""

    count: int = 0
    watcher: asyncio.Task[None] | None = None


def nobody(_: Waiting) -> None:
    """Tell nobody why a job waits."""


class Admission:
    """The slots and locks of this machine. For one event loop; ``board`` may be read from any thread."""

    def __init__(
        self,
        limits: Limits,
        *,
        runs: Callable[[Path], bool] = running,
        ended: Callable[[Path], Awaitable[None]] = job_ended,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the limits, how to know whether a job runs on and when it ends, and the event loop's clock."""
        self.board = Board()
        self._turns = Turns(limits)
        self._runs = runs
        self._ended = ended
        self._attempts: dict[Path, _Attempts] = {}
        self._entries: dict[Waiter, asyncio.Future[Processor]] = {}
        self._told: dict[Waiter, Callable[[Waiting], None]] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._clock = clock
        self._epoch = time.time() - clock()

    @asynccontextmanager
    async def admit(self, ask: Ask, on_wait: Callable[[Waiting], None] = nobody) -> AsyncIterator[Turn]:
        """Wait until a job may run, and hold its slot and locks; ``on_wait`` is told what it waits for.

        Left while the job runs on, they stay the job's. Cancelled while waiting, nothing is held.
        """
        began = self._clock()
        processor = await self._enter(ask, on_wait)
        try:
            yield Turn(processor, self._clock() - began)
        except Wait:
            self._turns.take_back_start(ask.key)  # a start that had to wait holds up nobody else's
            raise
        finally:
            self._leave(ask.key)

    def adopt(self, jobs: Iterable[Running]) -> None:
        """Count jobs that were found running, even beyond the limits: they do run."""
        for job in jobs:
            if job.key not in self._turns.running:
                self._turns.occupy(job.stage, job.key, job.processor, min(job.started, self._now()))
                self._attempts[job.key] = attempts = _Attempts()
                self._watch(job.key, attempts)
        self._grant()

    async def _enter(self, ask: Ask, on_wait: Callable[[Waiting], None]) -> Processor:
        waiter = self._turns.ask(ask, self._now())
        entry: asyncio.Future[Processor] = asyncio.get_running_loop().create_future()
        self._entries[waiter] = entry
        self._told[waiter] = on_wait
        self._grant()
        try:
            return await entry
        except asyncio.CancelledError:
            if self._entries.pop(waiter, None):
                self._turns.give_up(waiter)
                self._told.pop(waiter)
                self._grant()
            else:  # let in, in the same moment
                self._leave(ask.key)
            raise

    def _grant(self) -> None:
        """Let in all who may, tell the others why they wait, and look again when that may change by itself."""
        now = self._now()
        for waiter, processor in self._turns.grant(now):
            attempts = self._attempts.setdefault(waiter.ask.key, _Attempts())
            attempts.count += 1
            if attempts.watcher:
                attempts.watcher.cancel()
                attempts.watcher = None
            self._told.pop(waiter)
            entry = self._entries.pop(waiter)
            if not entry.done():  # else it is cancelled and has not noticed yet: it gives its place back by itself
                entry.set_result(processor)
        self._show(now)  # in the order in which they were let in
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        at = self._turns.look_again(self._now())
        loop = asyncio.get_running_loop()
        self._alarm = None if at is None else loop.call_later(max(0.0, at - self._now()), self._grant)

    def _show(self, now: float) -> None:
        turns, limits = self._turns, self._turns.limits
        waiting = turns.waiting(now)
        stages = sorted({*limits.concurrent, *(run.stage for run in turns.running.values()), *_stages(waiting)})
        held = {lock for run in turns.running.values() for lock in run.processor.locks}
        self.board = Board(
            tuple(
                StageUse(stage, turns.used(stage), limits.concurrent.get(stage), turns.first_started(stage))
                for stage in stages
            ),
            tuple(
                LockUse(lock, len(turns.holding(lock)), limits.locks.get(lock))
                for lock in sorted({*limits.locks, *held})
            ),
            _shown(waiting),
        )
        for waiter, shown in zip(waiting, self.board.waiting, strict=True):
            self._told[waiter](shown)

    def _leave(self, key: Path) -> None:
        attempts = self._attempts[key]
        attempts.count -= 1
        if attempts.count:
            return
        if self._is_seen_to_run(key):
            self._watch(key, attempts)
        else:
            self._free(key)

    def _is_seen_to_run(self, key: Path) -> bool:
        """Tell whether a job runs on; one whose folder cannot be looked at holds nothing: its disk has gone."""
        try:
            return self._runs(key)
        except OSError as error:
            log.warning("%s cannot be looked at, its place is free: %s", key, error)
            return False

    def _free(self, key: Path) -> None:
        del self._attempts[key]
        self._turns.free(key)
        self._grant()

    def _watch(self, key: Path, attempts: _Attempts) -> None:
        async def watch() -> None:
            try:
                await self._ended(key)
            finally:
                if attempts.watcher is asyncio.current_task():
                    self._free(key)

        attempts.watcher = asyncio.get_running_loop().create_task(watch(), name=f"watch {key}")

    def _now(self) -> float:
        """Return seconds since 1970 by a clock that is not set while the worker runs."""
        return self._epoch + self._clock()


def _stages(waiting: Iterable[Waiter]) -> set[str]:
    return {waiter.ask.stage for waiter in waiting}


def _shown(waiting: Iterable[Waiter]) -> tuple[Waiting, ...]:
    before: Counter[str] = Counter()
    shown = []
    for waiter in waiting:
        ask, why = waiter.ask, waiter.why
        lack, text, locks = (why.lack, why.text, why.locks) if why else (Lack.slot, "its turn", ())
        shown.append(Waiting(ask.stage, ask.key, waiter.since, lack, text, before[ask.stage], locks))
        before[ask.stage] += 1
    return tuple(shown)
