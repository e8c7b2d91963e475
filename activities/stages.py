"""Runs a stage on this machine: waits for its turn, runs its job, and keeps what both took."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, TypeVar

from activities.step import spent
from sealing.background import Check
from sealing.failures import Wait
from sealing.processors import job
from sealing.processors.admission import Admission
from sealing.processors.job import Job, JobResult, Start
from sealing.processors.processor import Processor
from sealing.processors.spec import nothing
from sealing.processors.tasks import StageTask
from sealing.proofs import seal_proof
from sealing.sector import Sector
from sealing.stores.layout import SectorFiles

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
    _attempts: dict[str, set[asyncio.Task[object]]] = field(default_factory=dict)

    async def run(  # noqa: PLR0913 - a stage has that many parts
        self,
        sector: Sector,
        task: StageTask[T],
        files: SectorFiles,
        prepare: Callable[[Start], None] = nothing,
        settle: Callable[[Check], None] = nothing,
        *,
        gather: Callable[[], Awaitable[None]] | None = None,
        patience: float | None = None,
    ) -> JobResult[T]:
        """Run a stage's job, or take up the one that runs or has run already for the same inputs.

        ``prepare`` and ``settle`` put the sector's files right around it: see ``Job``. ``gather`` brings what it needs
        from elsewhere, which may take long, before it takes its turn. Raises what ``job.run`` does, and ``gather``.

        A Wait after ``patience`` seconds without its turn, where another machine may have one.
        """
        folder = files.job(task.stage)
        record = spent()
        with self.noted(sector):
            wanted = self._job(folder, sector, task, prepare, settle)
            if (gather or patience) and await job.is_begun(wanted):
                patience = None  # nobody else has what is begun here
            elif gather is not None:
                await gather()
            record.progress = {"stage": task.stage, "phase": "waits for its turn"}
            async with self._turn(task.stage, folder, patience) as waited:
                record.wait_seconds += waited
                result = await job.run(wanted, on_alive=record.progress.update)
        record.run_seconds += result.run_seconds
        return result

    @asynccontextmanager
    async def _turn(self, stage: str, folder: Path, patience: float | None) -> AsyncIterator[float]:
        try:
            async with asyncio.timeout(patience) as limit, self.admission.admit(stage, folder) as waited:
                limit.reschedule(None)
                yield waited
        except TimeoutError:
            if not limit.expired():
                raise
            raise Wait(f"no turn for {stage} on this machine yet", TURN_PAUSE) from None

    async def stop(self, sector: Sector) -> None:
        """End what this worker does for a sector, and its jobs."""
        await self.let_go(sector)
        await job.stop_all(sector.files.jobs)

    async def let_go(self, sector: Sector) -> None:
        """End what this worker still does for a sector: its jobs run on, and none is started any more.

        A cancellation that the server sends comes with a heartbeat, some seconds late: an attempt that nobody waits
        for must not start a job after the sector's files were removed.
        """
        attempts = self._attempts.get(str(sector.id), set())
        for attempt in attempts:
            attempt.cancel()
        if attempts:
            await asyncio.wait(attempts)

    @contextmanager
    def noted(self, sector: Sector) -> Iterator[None]:
        """Know the running attempt as one that ``let_go`` ends."""
        attempt = asyncio.current_task()
        attempts = self._attempts.setdefault(str(sector.id), set())
        if attempt is not None:
            attempts.add(attempt)
        try:
            yield
        finally:
            attempts.discard(attempt)
            if not attempts:
                self._attempts.pop(str(sector.id), None)

    def _job(
        self,
        folder: Path,
        sector: Sector,
        task: StageTask[T],
        prepare: Callable[[Start], None],
        settle: Callable[[Check], None],
    ) -> Job[T]:
        return Job(
            folder=folder,
            processor=self.processors(task.stage)[0],
            task=task,
            round=sector.round,
            basis=sector.ticket.ticket if sector.ticket else "",
            time_limit=self.time_limits.get(task.stage),
            prepare=prepare,
            settle=settle,
        )
