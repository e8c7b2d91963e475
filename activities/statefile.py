"""Around every step on the sector's machine: its state file is as new as what the step starts from, and as its end.

A step of a workflow that is behind the file does not run: then Temporal's database was restored from an old backup, and
an old step would work on files that later ones have made. It parks, with what to type.

Dies here: between a step's end and the writing, and the next attempt finds the job done and writes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.stages import Stages
from sealing.failures import Permanent, Wait, bounded
from sealing.flow.events import Event
from sealing.flow.registry import FLOWS, LATEST
from sealing.flow.state import State
from sealing.flow.table import Flow
from sealing.sector import Sector, SectorInput, Task
from sealing.stores import space
from sealing.stores.claim import Claim, read_claim, write_claim
from sealing.stores.statefile import StateFile, StateFileError, adopt_command, read_state, write_state

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

STEPS = frozenset(
    name
    for flow in FLOWS.values()
    for step in flow.rows.values()
    if step.computes
    for name in (step.activity, step.packs)
)
"""The activities that are a step, or pack its input, where they run on the sector's machine."""


class StateFiles(Interceptor):
    """Wraps the steps of a machine's worker. None but that worker's: a machine that proves for others has no files."""

    def __init__(self, stages: Stages) -> None:
        """Take the machine's stages, which know its disks, and let go of a sector's attempts before its files go."""
        self._stages = stages

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Put ours in front."""
        return _Inbound(next, self._stages)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, stages: Stages) -> None:
        super().__init__(following)
        self._stages = stages

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - the SDK's signature
        task = input.args[0] if input.args else None
        if not isinstance(task, Task) or activity.info().activity_type not in STEPS:
            return await self.next.execute_activity(input)
        with self._stages.noted(task.sector):
            async with self._on_disk(task.sector):
                keeper = await _surely(Keeper.of, task, Attempt.running())
                await _surely(keeper.begun)
            result = await self.next.execute_activity(input)
            if isinstance(result, Event):
                async with self._on_disk(task.sector):
                    await _surely(keeper.ended, result)
        return result

    @asynccontextmanager
    async def _on_disk(self, sector: Sector) -> AsyncIterator[None]:
        """Work in a sector's location. A disk that is gone, full or read-only is waited for."""
        location = sector.home.location
        async with self._stages.mounts.on(Path(location)):
            try:
                yield
            except OSError as error:
                why = f"the state file of {sector.id} cannot be kept in {location}: {error}"
                raise space.no_space(location, error) or Wait(why, space.LOOK_AGAIN) from error


@dataclass(frozen=True)
class Attempt:
    """Whose activity an attempt is: the workflow, its type, and its run."""

    workflow_id: str
    workflow_type: str
    run: str

    @classmethod
    def running(cls) -> Attempt:
        """Return the running attempt."""
        info = activity.info()
        return cls(info.workflow_id or "", info.workflow_type or "", info.workflow_run_id or "")

    def input(self, task: Task) -> SectorInput:
        """Return an input that would start the workflow where the task is."""
        flow = next(each for each in LATEST.values() if each.workflow == self.workflow_type)
        return SectorInput(
            flow=flow.name, flow_version=flow.version, state=task.state, sector=task.sector, settings=task.settings
        )


async def _surely(write: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Write in a thread and wait for that, whatever is cancelled: no file may come after the sector's were removed."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, *args, **kwargs))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise


@dataclass(frozen=True)
class Keeper:
    """Keeps the sector of one attempt in its state file. Blocking."""

    task: Task
    claimed: SectorInput
    attempt: Attempt

    @classmethod
    def of(cls, task: Task, attempt: Attempt) -> Keeper:
        """Return the keeper for an attempt, which has the location's claim. Permanent where another task has it.

        Also where nobody has it, nothing of the sector is there, and there should be something.
        """
        location = task.sector.home.location
        claim = _claim_of(location)
        if claim is None:
            claim = Claim(task=attempt.input(task))
            _refuse_nothing(claim.task)
            write_claim(location, claim)
            log.warning("%s had no claim; it has that of %s again", location, attempt.workflow_id)
        if claim.task.workflow_id != attempt.workflow_id:
            raise Permanent(
                f"{location} is claimed by {claim.task.workflow_id}, not by {attempt.workflow_id}, as after a restore "
                "of Temporal's database from an old backup; nothing was touched. If this task had ended before: "
                f"sealflow sector abort {attempt.workflow_id}"
            )
        return cls(task, claim.task, attempt)

    @property
    def _flow(self) -> Flow:
        return FLOWS[self.claimed.flow, self.claimed.flow_version]

    def begun(self) -> None:
        """Write what the step starts from, unless it stands there. Permanent where the file is ahead of it.

        Not where the file has an end of this very step, of which the workflow has heard nothing, for the worker died
        then, or the step was let go of by a pause: it stays in the file, and the step comes to it again.
        """
        task, kept = self.task, self._kept()
        if kept is not None and self._is_behind(kept, task.state, task.sector):
            if self._is_own_end(kept):
                return
            if not task.reset or kept.run == self.attempt.run:
                raise Permanent(self._ahead(kept))
            # A reset is a way back that Temporal itself has taken: in another run than the one that wrote the file.
        self._write(kept, task.state, task.sector)

    def _ahead(self, kept: StateFile) -> str:
        sector = self.task.sector
        return (
            f"the state file of {sector.id} says {kept.task.state}, its workflow is only in {self.task.state}: "
            "Temporal's database was restored from an old backup. Nothing was touched; to start the task again "
            f"from the file: {adopt_command(sector.home.location, replace=True)}"
        )

    def ended(self, event: Event) -> None:
        """Write where an event leads, unless another attempt has come further meanwhile."""
        flow, task = self._flow, self.task
        to = flow.rows[task.state].edges.get(type(event))
        if to is None or to in flow.terminal:
            return
        sector, kept = task.sector.after(flow, task.state, event), self._kept()
        if kept is None or not self._is_behind(kept, to, sector):
            self._write(kept, to, sector, ended=True)

    def _kept(self) -> StateFile | None:
        try:
            kept = read_state(self.task.sector.files)
        except StateFileError as error:
            log.warning("%s; it is written anew", error)
            return None
        return kept if kept and kept.task.workflow_id == self.claimed.workflow_id else None

    def _is_behind(self, kept: StateFile, state: State, sector: Sector) -> bool:
        """Tell whether a state is one that the task had left when the file was written."""
        return sector.reached(self._flow, state) < kept.task.sector.reached(self._flow, kept.task.state)

    def _is_own_end(self, kept: StateFile) -> bool:
        """Tell whether the file was written at an end of this step, from the same inputs, and nothing has begun since.

        Then an old backup does no harm either: the job is done, and is taken.
        """
        if not kept.ended or kept.run != self.attempt.run:
            return False
        sector = self.task.sector
        ways = (event for event, to in self._flow.rows[self.task.state].edges.items() if to is kept.task.state)
        before = (
            kept.task.sector.model_copy(update={name: getattr(sector, name) for name in event.sets()}) for event in ways
        )
        return sector in before

    def _write(self, kept: StateFile | None, state: State, sector: Sector, *, ended: bool = False) -> None:
        parts = {"state": state, "sector": sector, "settings": self.task.settings, "memory": None, "adopted": False}
        now = self.claimed.model_copy(update=parts)
        run = self.attempt.run
        if kept is None or (kept.task, kept.run, kept.ended) != (now, run, ended):
            write_state(sector.files, StateFile(run=run, ended=ended, written=time.time(), task=now))


def _refuse_nothing(task: SectorInput) -> None:
    """Raise Permanent for a task that has lost all its files, unless its step is the first that makes some."""
    flow, sector = FLOWS[task.flow, task.flow_version], task.sector
    first = next(state for state, step in flow.rows.items() if step.computes)
    if task.state is first or any(path.exists() for path in sector.files.all()):
        return
    raise Permanent(
        f"{sector.home.location} has neither a claim nor files of {sector.id}. Either it had ended before Temporal's "
        "database was restored from an old backup: then it ends once the manager says so. Or its disk was lost: to "
        f"begin it again, sealflow sector resume {task.workflow_id} --state {first}"
    )


def _claim_of(location: str) -> Claim | None:
    try:
        return read_claim(location)
    except ValueError as error:
        raise Permanent(
            f"the claim of {location} cannot be read: {bounded(str(error), 300)}; remove it, let "
            f"{adopt_command(location)} write it anew, and resume"
        ) from error
