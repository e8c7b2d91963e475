"""Runs a stage on this machine: waits for its turn, runs its job, and keeps what both took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypedDict, TypeVar

from temporalio import activity

from activities.step import Spent, spent
from sealing import tracing
from sealing.background import Check
from sealing.failures import Wait
from sealing.flow.registry import LATEST
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.metrics import counting
from sealing.processors import job
from sealing.processors.admission import Admission, Ask, Turn, Waiting
from sealing.processors.job import How, Job, JobResult, Start
from sealing.processors.processor import Processor
from sealing.processors.spec import nothing
from sealing.processors.tasks import StageTask
from sealing.proofs import seal_proof
from sealing.sector import Sector, Task, ticket_ends
from sealing.stores.layout import SectorFiles
from sealing.stores.mounts import Mounts

T = TypeVar("T")

PARAMETERS_PAUSE = 2.0
"""Seconds until it is looked again whether the proof parameters are there."""

TURN_PAUSE = 1.0
"""Seconds until a stage that found no turn on one machine is offered again."""


async def require_parameters(ready: Callable[[str], Awaitable[bool]], kind: str, sector: Sector) -> None:
    """Wait for the proof parameters of a sector's size, which no failure of the sector brings. Raises Wait."""
    size = seal_proof(sector.proof_type).size_name
    if not await ready(size):
        raise Wait(
            f"the {kind} parameters for {size} are not there; sealflow doctor says how to get them", PARAMETERS_PAUSE
        )


class Elsewhere(TypedDict, total=False):
    """How a stage runs on a machine that is not the sector's: see ``Stages.run``."""

    gather: Callable[[], Awaitable[None]]
    patience: float


@dataclass(frozen=True)
class Stages:
    """The stages of one machine."""

    processors: Callable[[str], Sequence[Processor]]
    admission: Admission
    time_limits: Mapping[str, float] = field(default_factory=dict)
    mounts: Mounts = field(default_factory=Mounts)
    _attempts: dict[str, set[asyncio.Task[object]]] = field(default_factory=dict)

    async def run(  # noqa: PLR0913 - a stage has that many parts
        self,
        task: Task,
        wanted: StageTask[T],
        files: SectorFiles,
        prepare: Callable[[Start], None] = nothing,
        settle: Callable[[Check], None] = nothing,
        *,
        gather: Callable[[], Awaitable[None]] | None = None,
        patience: float | None = None,
    ) -> JobResult[T]:
        """Run a stage's job, or take up the one that runs or has run already for the same inputs.

        ``prepare`` and ``settle`` put the sector's files right around it: see ``Job``. ``gather`` brings what it needs
        from elsewhere, which may take long, before it takes its turn. Raises what ``job.run`` does, and ``gather``, and
        Wait where the disk of the sector's location is gone, and after ``patience`` seconds without its turn, where
        another machine may have one.
        """
        record = spent()
        with self.noted(task.sector):
            async with self.mounts.on(Path(task.sector.home.location)):
                made = self._job(files.job(wanted.stage), task.sector, wanted, prepare, settle)
                seen = await job.seen(made)
                if gather is not None and seen is None:
                    await gather()
                if seen is How.taken:
                    result = await _run(made, record)  # it is done: taking what it left needs no turn
                else:
                    # Nobody else has what is begun here. It runs, or did a moment ago: who starts it again has a turn.
                    async with self._turn(self._ask(task, made), record, patience if seen is None else None) as turn:
                        record.wait_seconds += turn.waited
                        tracing.note("wait", time.time() - turn.waited, turn.waited, {tracing.STAGE: wanted.stage})
                        if seen is None:
                            counting.STAGE_WAIT.labels(wanted.stage).observe(turn.waited)
                        result = await _run(replace(made, processor=turn.processor), record)
        record.run_seconds += result.run_seconds
        _note_run(wanted.stage, result)
        if result.is_first:
            counting.STAGE_RUN.labels(wanted.stage).observe(result.run_seconds)
        return result

    @asynccontextmanager
    async def _turn(self, ask: Ask, record: Spent, patience: float | None) -> AsyncIterator[Turn]:
        waiting = self.admission.admit(ask, partial(_tell, record))
        try:
            async with asyncio.timeout(patience) as limit, waiting as turn:
                limit.reschedule(None)
                yield turn
        except TimeoutError:
            if not limit.expired():
                raise
            raise Wait(f"no turn for {ask.stage} on this machine yet", TURN_PAUSE) from None

    async def stop(self, sector: Sector) -> None:
        """End what this worker does for a sector, and its jobs."""
        await self.let_go(sector)
        await job.stop_all(sector.files.jobs)

    async def let_go(self, sector: Sector) -> None:
        """End what this worker still does for a sector: its jobs run on, and none is started any more.

        A cancellation that the server sends comes with a heartbeat, some seconds late: an attempt that nobody waits
        for must not start a job after the sector's files were removed. Who lets go of the others goes on.
        """
        attempts = self._attempts.get(_place(sector), set()) - {asyncio.current_task()}
        for attempt in attempts:
            attempt.cancel()
        if attempts:
            await asyncio.wait(attempts)

    @contextmanager
    def noted(self, sector: Sector) -> Iterator[None]:
        """Know the running attempt as one that ``let_go`` ends, until it leaves the outermost block of these."""
        attempt = asyncio.current_task()
        attempts = self._attempts.setdefault(_place(sector), set())
        if attempt is None or attempt in attempts:
            yield
            return
        attempts.add(attempt)
        try:
            yield
        finally:
            attempts.discard(attempt)
            if not attempts:
                self._attempts.pop(_place(sector), None)

    def _ask(self, task: Task, made: Job[T]) -> Ask:
        stage = made.task.stage
        ends = ticket_ends(task.sector, task.settings)
        return Ask(stage, made.folder, self.processors(stage), ends, _progress(task), _came())

    def _job(
        self,
        folder: Path,
        sector: Sector,
        wanted: StageTask[T],
        prepare: Callable[[Start], None],
        settle: Callable[[Check], None],
    ) -> Job[T]:
        return Job(
            folder=folder,
            processor=self.processors(wanted.stage)[0],
            task=wanted,
            round=sector.round,
            basis=sector.ticket.ticket if sector.ticket else "",
            time_limit=self.time_limits.get(wanted.stage),
            prepare=prepare,
            settle=settle,
        )


async def _run(made: Job[T], record: Spent) -> JobResult[T]:
    record.progress = {"stage": made.task.stage}
    return await job.run(made, on_alive=record.progress.update)


def _note_run(stage: str, result: JobResult[T]) -> None:
    """Note when the job ran, of one that was found also where that was before this attempt."""
    about = {tracing.STAGE: stage, tracing.JOB: result.how.value, tracing.PROCESSOR: result.processor}
    tracing.note("run", result.began, result.run_seconds, about)


def _tell(record: Spent, waiting: Waiting) -> None:
    """Let the next heartbeat say what the job waits for."""
    behind = f" ({waiting.ahead} before it)" if waiting.ahead else ""
    record.progress = {
        "stage": waiting.stage,
        "phase": "waits",
        "for": waiting.text + behind,
        "since": waiting.since,
    }


def _place(sector: Sector) -> str:
    """Return what names a sector's attempts: an earlier task of it may have files in another location."""
    return str(sector.files.jobs)


def _came() -> float | None:
    """Return when the step was scheduled: the same for all its attempts, on whichever machine."""
    return activity.info().scheduled_time.timestamp() if activity.in_activity() else None


def _progress(task: Task) -> int:
    """Return how far on a sector is: the position of its state in its flow."""
    flow = SEALER if task.sector.upgrade is None else SNAPUP
    return LATEST[flow.name].order[task.state]
