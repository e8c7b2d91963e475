"""A machine that only proves for others: a worker's file with nothing but processors, run as a program of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from temporalio.api.enums.v1 import EventType

from sealing.processors import job
from sealing.processors.folder import JobFolder, job_folders
from tests.survival.program import WorkerProgram, program
from tests.world.plant import Plant

TOML = """\
[worker]
name = "{name}"
[processors]
program = "simulated"
[[processors.{stage}]]
[temporal]
address = "{temporal}"
task_queue = "{queue}"
heartbeat_timeout = "2s"
pool_folder = "{folder}"
{fleet}
"""


@dataclass
class Gpu:
    """One machine: its file, its folder, its worker."""

    name: str
    file: Path
    folder: Path
    worker: WorkerProgram

    def jobs(self) -> list[JobFolder]:
        """Return the jobs that were ever started here, the verifications apart."""
        found = [each for jobs in sorted(self.folder.glob("*/jobs/*")) for each in job_folders(jobs)]
        return [each for each in found if not each.path.name.startswith("verify")]

    def runs(self) -> bool:
        """Tell whether a job's process runs here: its lock alone may still be the worker's, which starts it."""
        return any(each.leader() for each in self.jobs())


def gpu_file(built: Plant, name: str, stage: str = "c2", fleet: str = "") -> Path:
    """Write the worker's file of such a machine."""
    file = built.folder / f"{name}.toml"
    temporal = built.client.service_client.config.target_host
    queue, folder = built.config.temporal.task_queue, built.folder / name
    file.write_text(TOML.format(name=name, stage=stage, temporal=temporal, queue=queue, folder=folder, fleet=fleet))
    return file


@asynccontextmanager
async def gpu(built: Plant, name: str = "gpu", stage: str = "c2", fleet: str = "") -> AsyncIterator[Gpu]:
    """Run such a machine beside a plant. What still computes at the end is stopped."""
    file = gpu_file(built, name, stage, fleet)
    async with program(replace(built, file=file)) as worker:
        machine = Gpu(name, file, built.folder / name, worker)
        try:
            yield machine
        finally:
            for jobs in machine.folder.glob("*/jobs/*"):
                await job.stop_all(jobs, grace=0)


async def ran_on(built: Plant, activity: str) -> list[str]:
    """Return the identities of the workers that have begun an activity of the first sector, in their order."""
    scheduled, identities = set(), []
    async for event in built.sector().fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            if event.activity_task_scheduled_event_attributes.activity_type.name == activity:
                scheduled.add(event.event_id)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            if started.scheduled_event_id in scheduled:
                identities.append(started.identity)
    return identities
