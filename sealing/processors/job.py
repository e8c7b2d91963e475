"""A stage as a job that outlives the worker: started once, found again, taken, or ended as an act of its own.

``run`` starts the job, or finds it running and attaches, or finds it done and takes its output. Cancelled, it lets go
and never kills: a late cancellation of an old attempt must not kill the job that a new attempt has found. ``stop``
kills. A job is known by the fingerprint of its inputs, the sector's round among them.

The jobs of a sector are in one folder and one of them runs at a time, because they work on the same files: starting
one ends another that still runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sealing.background import BEAT, Check, beating, in_thread
from sealing.failures import Temporary
from sealing.metrics import counting
from sealing.processors import launch, locks, processes
from sealing.processors.flight import Flight, Loss, in_flight
from sealing.processors.folder import GRACE, JobFolder, job_folders
from sealing.processors.launch import Begun, begin, take
from sealing.processors.outcome import End
from sealing.processors.processor import Protocol
from sealing.processors.spec import How, Job, JobResult, Start
from sealing.processors.stream import StoppedError
from sealing.processors.streams import stream_of

__all__ = [
    "How",
    "Job",
    "JobResult",
    "Start",
    "discard",
    "job_ended",
    "run",
    "running",
    "running_jobs",
    "seen",
    "stop",
    "stop_all",
]

T = TypeVar("T")


@dataclass
class _Progress:
    """What a heartbeat tells."""

    stage: str
    phase: str = "starting"
    process: processes.Process | Flight | None = None

    def facts(self) -> dict[str, Any]:
        running = self.process
        seconds = round(running.seconds, 1) if running else 0.0
        return {"stage": self.stage, "phase": self.phase, "pid": running.pid if running else None, "seconds": seconds}


async def run(job: Job[T], *, on_alive: Callable[[dict[str, Any]], None], beat: float = BEAT) -> JobResult[T]:
    """Return the job's result; start it if need be.

    ``on_alive`` is called every ``beat`` seconds with stage, phase, pid and seconds running. Raises Temporary or
    Permanent as ``outcome`` says.
    """
    progress = _Progress(job.task.stage)
    return await beating(_run(job, progress), lambda: on_alive(progress.facts()), beat)


async def stop(folder: Path, grace: float = GRACE) -> bool:
    """End all processes of the job in ``folder`` and wait until they are gone. Return whether there was one.

    They are asked by SIGTERM, and killed after ``grace`` seconds. Temporary if one cannot be ended.
    """
    files = JobFolder.at(folder)

    def halt(check: Check) -> bool:
        with locks.alone(files.starting, check):
            return files.halt(grace)

    return await in_thread(halt) if files.path.is_dir() else False


async def stop_all(jobs: Path, grace: float = GRACE) -> list[str]:
    """End all jobs of the sector whose jobs are in ``jobs``; return the stages of those that ran."""
    return [files.path.name for files in job_folders(jobs) if await stop(files.path, grace)]


def discard(folder: Path) -> None:
    """Forget the output of the job in ``folder``, so that the next attempt runs it again, from scratch."""
    files = JobFolder.at(folder)
    files.output.unlink(missing_ok=True)
    files.forget()


async def seen(job: Job[T]) -> How | None:
    """Return ``taken`` for a job that is done, how an attempt would come to one that runs, None for any other.

    One that is done stays so. One that runs may have died by now, and then it is started.
    """
    return await in_thread(launch.seen, job)


def running(folder: Path) -> bool:
    """Tell whether the job in ``folder`` runs."""
    return JobFolder.at(folder).is_running()


def running_jobs(jobs_root: Path) -> list[JobFolder]:
    """Return the folder of each job that runs below ``jobs_root``, such as ``<location>/data/jobs``."""
    sectors = sorted(jobs_root.iterdir()) if jobs_root.is_dir() else []
    return [files for jobs in sectors for files in job_folders(jobs) if files.is_running()]


async def job_ended(folder: Path) -> None:
    """Wait until the job in ``folder`` does not run. It may be one that another process started."""
    files = JobFolder.at(folder)
    while files.is_running():
        if flight := in_flight(files):
            await _landed(flight)
        elif leader := await asyncio.to_thread(files.leader):
            await processes.ended(leader)
        else:  # its leader is gone and something that it started still holds the lock
            await asyncio.sleep(BEAT)


async def _run(job: Job[T], progress: _Progress) -> JobResult[T]:
    begun = await _begun(job, progress)
    counting.JOBS.labels(job.task.stage, begun.how).inc()
    program = job.processor.argv[0]
    end = End(program)
    if begun.child:
        progress.phase, progress.process = "running", begun.child.process
        beyond = await _until_ended(job, begun.child.process, processes.ended(begun.child.process))
        end = End(program, await asyncio.to_thread(begun.child.status), beyond)
    elif begun.flight:
        progress.phase, progress.process = "running", begun.flight
        end = End(program, beyond=await _until_ended(job, begun.flight, _landed(begun.flight)))
        if loss := await _landed(begun.flight):
            raise _stopped(job, end.beyond) if end.beyond is not None else loss()
    progress.phase, progress.process = "settling", None
    return await in_thread(take, job, begun, end)


async def _begun(job: Job[T], progress: _Progress) -> Begun:
    """Start the job unless it is begun, by a stream once that is ready."""
    while True:
        if job.processor.protocol is Protocol.stream and await seen(job) is None:
            progress.phase = "waits for its processor to be ready"
            await stream_of(job.processor, job.task.stage).ready()
            progress.phase = "starting"
        with contextlib.suppress(StoppedError):
            return await in_thread(begin, job)


async def _until_ended(job: Job[T], running: processes.Process | Flight, ended: Awaitable[object]) -> float | None:
    """Wait for the job's end. Return its time limit if it had to be stopped beyond it."""
    limit = job.time_limit
    try:
        async with asyncio.timeout(None if limit is None else max(0.0, limit - running.seconds)):
            await ended
    except TimeoutError:
        await stop(job.folder)
        return limit
    return None


async def _landed(flight: Flight) -> Loss | None:
    """Wait for a task's answer; return how it was lost if there is none."""
    return await asyncio.shield(asyncio.wrap_future(flight.over))


def _stopped(job: Job[T], limit: float) -> Temporary:
    name, program = job.processor.name, job.processor.argv[0]
    return Temporary(
        f"{job.task.stage} by {program} was stopped after its time limit of {limit:g} s, "
        f"and the processor {name} with it"
    )
