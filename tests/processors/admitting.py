"""Attempts that are admitted, jobs that run as a test says, and a loop whose clock a test sets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sealing.processors.admission import Admission, Ask, Limits, Waiting
from sealing.processors.processor import Processor


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until a test lets it pass."""

    now = 0.0

    def time(self) -> float:
        """Return the time that the test has set."""
        return self.now

    def settle(self) -> None:
        """Let every task go on as far as it can now."""
        self.run_until_complete(settle())


async def settle() -> None:
    """Let every task go on as far as it can."""
    for _ in range(12):
        await asyncio.sleep(0)


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

    def admission(self, limits: Limits | None = None, **concurrent: int) -> Admission:
        """Return an admission that knows these jobs."""
        return Admission(limits or Limits(concurrent), runs=self.runs, ended=self.ended)


PLAIN = Processor("ours", ("true",))
"""A processor without a limit and without locks."""


def ask(stage: str, key: Path, processors: Sequence[Processor] = (PLAIN,), **wanted: Any) -> Ask:
    """Return what a job asks for."""
    return Ask(stage, key, processors, **wanted)


class Attempt:
    """An attempt at a job: waits, then holds its slot until it is told to leave."""

    def __init__(self, admission: Admission, wanted: Ask) -> None:
        """Begin to wait."""
        self.ask = wanted
        self.inside = False
        self.waited = 0.0
        self.processor = ""
        self.told: list[Waiting] = []
        self._leave = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(admission))

    async def _run(self, admission: Admission) -> None:
        async with admission.admit(self.ask, self.told.append) as turn:
            self.waited, self.processor, self.inside = turn.waited, turn.processor.name, True
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


def key(number: int, stage: str = "pc1") -> Path:
    """Return a job's folder."""
    return Path(f"/jobs/s-t01000-{number}/{stage}")
