"""What this machine computes for sectors of other machines, in a folder apart from them.

A job here is nobody's as soon as its activity is gone: the sector may have been paused or aborted, or another machine
may have it. It runs on for a while, in case somebody comes back for it, and is then stopped: it holds a GPU.

Dies here: the worker, and the next one counts the time from its own start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sealing.failures import Outage, SealingFailure
from sealing.processors import job
from sealing.processors.folder import JobFolder
from sealing.sector import Sector
from sealing.stores import durable, space
from sealing.stores.layout import SectorFiles
from sealing.values import FileRef, Parcel

log = logging.getLogger(__name__)

LOOKS_PER_PATIENCE = 4
"""Looks at the jobs while one of them may be on its own."""
KEPT = 86_400.0
"""Seconds that a result is kept, for a sector that comes back for it: it is small."""
MARK = "attended"
"""Name of the file, beside a sector's jobs, that is touched when an attempt comes and when it goes."""


@dataclass(frozen=True)
class Guest:
    """One input on this machine: the paths of its jobs, and the file that it is unpacked to."""

    files: SectorFiles
    parcel: Parcel

    @property
    def input(self) -> FileRef:
        """The unpacked input."""
        path = self.files.jobs / "input.json"
        return FileRef(path=str(path), size=self.parcel.size, sha256=self.parcel.sha256)

    def forget_input(self) -> None:
        """Remove the input, which is large; whoever comes again finds the result."""
        Path(self.input.path).unlink(missing_ok=True)


@dataclass(frozen=True)
class Guests:
    """The folder below ``root``, and who is at work in it. ``patience`` is the seconds that a job may be on its own."""

    root: Path
    patience: float
    began: float = field(default_factory=time.time)
    _attempts: Counter[Path] = field(default_factory=Counter)

    @contextmanager
    def welcomed(self, stage: str, sector: Sector, parcel: Parcel) -> Iterator[Guest]:
        """Give the place for a stage's work on an input, and know that somebody is at it."""
        # Of another round, or of another input, it is other work: neither may be taken for the other or hinder it.
        name = f"{sector.id}-{sector.round}-{parcel.sha256[:16]}"
        guest = Guest(SectorFiles(self.root / stage, name), parcel)
        jobs = guest.files.jobs
        self._attempts[jobs] += 1
        try:
            try:
                _touch(jobs)
            except OSError as error:
                why = f"{jobs} cannot be written, another machine may do it: {error}"
                raise space.no_space(jobs, error) or Outage(why) from error
            yield guest
        finally:
            self._attempts[jobs] -= 1
            with suppress(OSError):
                _touch(jobs)

    def running(self) -> list[JobFolder]:
        """Return the folder of each job that runs here."""
        return [files for jobs in sorted(self.root.glob("*/jobs")) for files in job.running_jobs(jobs)]

    async def sweep_for_ever(self) -> None:
        """Stop what nobody waits for, again and again."""
        while True:
            try:
                await self.sweep()
            except OSError as error:
                log.warning("%s cannot be looked at: %s", self.root, error)
            await asyncio.sleep(self.patience / LOOKS_PER_PATIENCE)

    async def sweep(self) -> None:
        """Stop jobs that were on their own for too long, and remove results that nobody has come for."""
        for jobs in self._all():
            try:
                await self._look_at(jobs)
            except OSError as error:
                log.warning("%s cannot be looked at: %s", jobs, error)

    async def _look_at(self, jobs: Path) -> None:
        alone = time.time() - self._left(jobs)
        if self._attempts[jobs]:
            return
        if _runs(jobs):
            if time.time() - max(self._left(jobs), self.began) > self.patience:
                await self._stop(jobs, alone)
        elif alone > KEPT:
            durable.remove(jobs)

    async def _stop(self, jobs: Path, alone: float) -> None:
        try:
            stopped = await job.stop_all(jobs)
        except SealingFailure as failure:
            log.warning("%s: %s", jobs.name, failure)
        else:
            log.warning("%s: nobody has waited for it for %.0f s, stopped: %s", jobs.name, alone, ", ".join(stopped))

    def _all(self) -> list[Path]:
        return [jobs for jobs in sorted(self.root.glob("*/jobs/*")) if jobs.is_dir()]

    def _left(self, jobs: Path) -> float:
        """Return when the last attempt came or went, in seconds since 1970."""
        mark = jobs / MARK
        return (mark if mark.exists() else jobs).stat().st_mtime


def _runs(jobs: Path) -> bool:
    return any(job.running(folder) for folder in jobs.iterdir() if folder.is_dir())


def _touch(jobs: Path) -> None:
    jobs.mkdir(parents=True, exist_ok=True)
    (jobs / MARK).touch()
