"""Runs a stage on this machine: waits for its turn, runs its job, and keeps what both took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sealing.processors.admission import Admission
from sealing.processors.job import Job, JobResult
from sealing.processors.tasks import StageTask

from activities.step import spent
from sealing.processors import job
from sealing.sector import Sector
from sealing.stores.layout import SectorFiles


@dataclass(frozen=True)
class Program:
    """What runs a stage: the command line in front of the stage's own arguments, and what it adds to the environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stages:
    """The stages of one machine."""

    program: Callable[[str], Program]
    admission: Admission
    time_limits: Mapping[str, float] = field(default_factory=dict)

    async def run(
        self,
        sector: Sector,
        task: StageTask,
        files: SectorFiles,
        prepare: Callable[[], None] | None = None,
    ) -> JobResult:
        """Run a stage's job, or take up the one that runs or has run already for the same inputs.

        ``prepare`` puts the sector's files right, each time that the job is really started.
        Raises the failures of ``job.run``.
        """
        stage = task.stage
        folder = files.job(stage)
        record = spent()
        record.progress = {"stage": stage, "doing": "waits for its turn"}
        async with self.admission.admit(stage, str(folder)) as waited:
            record.wait_seconds += waited
            result = await job.run(self._job(folder, sector, task, prepare), on_alive=record.progress.update)
        record.run_seconds += result.run_seconds
        return result

    def _job(self, folder: Path, sector: Sector, task: StageTask, prepare: Callable[[], None] | None) -> Job:
        program = self.program(task.stage)
        return Job(
            folder=folder,
            stage=task.stage,
            argv=program.argv,
            task=task.wire(),
            round=sector.round,
            env=program.env,
            time_limit=self.time_limits.get(task.stage),
            prepare=prepare,
        )
