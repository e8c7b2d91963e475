"""Runs a stage on this machine: waits for its turn, runs its job, and keeps what both took."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from activities.step import spent
from sealing.background import Check
from sealing.processors import job
from sealing.processors.admission import Admission
from sealing.processors.job import Job, JobResult, Start
from sealing.processors.spec import nothing
from sealing.processors.tasks import StageTask
from sealing.sector import Sector
from sealing.stores.layout import SectorFiles

T = TypeVar("T")


@dataclass(frozen=True)
class Program:
    """What runs a stage: the command line before the stage's own arguments, and what it adds to the environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    inherit_env: bool = True

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the program's processes."""
        return {**(os.environ if self.inherit_env else {}), **self.env}


@dataclass(frozen=True)
class Stages:
    """The stages of one machine."""

    program: Callable[[str], Program]
    admission: Admission
    time_limits: Mapping[str, float] = field(default_factory=dict)

    async def run(
        self,
        sector: Sector,
        task: StageTask[T],
        files: SectorFiles,
        prepare: Callable[[Start], None] = nothing,
        settle: Callable[[Check], None] = nothing,
    ) -> JobResult[T]:
        """Run a stage's job, or take up the one that runs or has run already for the same inputs.

        ``prepare`` and ``settle`` put the sector's files right around it: see ``Job``. Raises what ``job.run`` does.
        """
        folder = files.job(task.stage)
        record = spent()
        record.progress = {"stage": task.stage, "phase": "waits for its turn"}
        async with self.admission.admit(task.stage, folder) as waited:
            record.wait_seconds += waited
            result = await job.run(self._job(folder, sector, task, prepare, settle), on_alive=record.progress.update)
        record.run_seconds += result.run_seconds
        return result

    def _job(
        self,
        folder: Path,
        sector: Sector,
        task: StageTask[T],
        prepare: Callable[[Start], None],
        settle: Callable[[Check], None],
    ) -> Job[T]:
        program = self.program(task.stage)
        return Job(
            folder=folder,
            argv=program.argv,
            task=task,
            round=sector.round,
            env=program.environment(),
            time_limit=self.time_limits.get(task.stage),
            prepare=prepare,
            settle=settle,
        )
