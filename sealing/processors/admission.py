"""Who may run a stage on this machine: so many at a time of each stage, first come, first served.

What is admitted is a job, known by its folder, and not an attempt at it: a job that runs on without its activity
keeps its slot until it ends, or until the next attempt at it takes the slot over without waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sealing.processors.job import job_ended, running


@dataclass
class _Slot:
    """A job that runs or is about to: how many attempts are at it, and without any, who watches for its end."""

    stage: str
    attempts: int = 0
    watcher: asyncio.Task[None] | None = None


@dataclass(eq=False)
class _Waiter:
    """An attempt that waits. ``since`` is in seconds since 1970."""

    stage: str
    key: Path
    granted: asyncio.Future[None]
    since: float = field(default_factory=time.time)


@dataclass(frozen=True)
class StageStatus:
    """A stage's slots: used, in total (None: no limit), and who waits since when, first come first."""

    stage: str
    used: int
    total: int | None
    waiting: tuple[tuple[Path, float], ...]


class Admission:
    """The slots of this machine's stages. A stage that is not in ``limits`` has no limit. For one event loop."""

    def __init__(
        self,
        limits: Mapping[str, int],
        *,
        runs: Callable[[Path], bool] = running,
        ended: Callable[[Path], Awaitable[None]] = job_ended,
    ) -> None:
        """Take the limits, and how to know whether a job runs on and when it ends."""
        self._limits = limits
        self._runs = runs
        self._ended = ended
        self._slots: dict[Path, _Slot] = {}
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def admit(self, stage: str, key: Path) -> AsyncIterator[float]:
        """Wait for a slot for the job in the folder ``key``, and hold it; gives the seconds waited.

        Left while the job runs on, the slot stays the job's. Cancelled while waiting, nothing is held.
        """
        began = time.monotonic()
        await self._enter(stage, key)
        try:
            yield time.monotonic() - began
        finally:
            self._leave(key)

    def adopt(self, jobs: Iterable[tuple[str, Path]]) -> None:
        """Give slots to jobs that were found running, (stage, folder) each, even beyond the limits: they do run."""
        for stage, key in jobs:
            if key not in self._slots:
                self._slots[key] = slot = _Slot(stage)
                self._watch(key, slot)

    def status(self) -> list[StageStatus]:
        """Return every stage that has a limit, a job or a waiter."""
        used = [slot.stage for slot in self._slots.values()]
        stages = sorted({*self._limits, *used, *(waiter.stage for waiter in self._waiting)})
        return [
            StageStatus(
                stage,
                used.count(stage),
                self._limits.get(stage),
                tuple((waiter.key, waiter.since) for waiter in self._waiting if waiter.stage == stage),
            )
            for stage in stages
        ]

    async def _enter(self, stage: str, key: Path) -> None:
        waiter = _Waiter(stage, key, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._grant()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:  # granted in the same moment
                self._leave(key)
            raise

    def _grant(self) -> None:
        """Let in all who may, in the order of their coming."""
        for waiter in list(self._waiting):
            if not waiter.granted.done() and self._may_enter(waiter):
                slot = self._slots.setdefault(waiter.key, _Slot(waiter.stage))
                slot.attempts += 1
                if slot.watcher:
                    slot.watcher.cancel()
                    slot.watcher = None
                self._waiting.remove(waiter)
                waiter.granted.set_result(None)

    def _may_enter(self, waiter: _Waiter) -> bool:
        limit = self._limits.get(waiter.stage)
        used = sum(slot.stage == waiter.stage for slot in self._slots.values())
        return waiter.key in self._slots or limit is None or used < limit

    def _leave(self, key: Path) -> None:
        slot = self._slots[key]
        slot.attempts -= 1
        if slot.attempts:
            return
        if self._runs(key):
            self._watch(key, slot)
        else:
            self._free(key)

    def _free(self, key: Path) -> None:
        del self._slots[key]
        self._grant()

    def _watch(self, key: Path, slot: _Slot) -> None:
        async def watch() -> None:
            try:
                await self._ended(key)
            finally:
                if slot.watcher is asyncio.current_task():
                    self._free(key)

        slot.watcher = asyncio.get_running_loop().create_task(watch(), name=f"watch {key}")
