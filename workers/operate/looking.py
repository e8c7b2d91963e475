"""Finds sectors and threads, and tells where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError, RPCStatusCode

from sealing.config import Config
from sealing.flow.registry import LATEST
from sealing.sector import Summary, task_id, thread_id
from sealing.values import Frozen, SectorId
from workers.operate.orders import OrderError, explain
from workers.pending import described
from workers.watch import AT_ONCE, SECTORS, SectorView, look, see
from workflows.status import Status
from workflows.thread import ThreadStatus

T = TypeVar("T")

ANSWER_WITHIN = timedelta(seconds=8)
"""How long a worker may take to answer a query. The server may first ask one that has just gone, for as long as
``workers.assembly.STICKY``, and only then another."""


class ThreadView(Frozen):
    """One sealing thread: what the configuration says, and where it and its sector stand."""

    index: int
    location: str
    plan: str
    workflow_id: str
    thread: ThreadStatus | None
    """None where it does not run, or no worker answers for it."""
    sector: Status | None
    problem: str = ""
    """Why something is not known."""
    idle: str = ""
    """Why it has no sector, as its last question for one has ended."""

    @property
    def standing(self) -> str:
        """How it stands in one word: idle, paused, drained, or how its sector stands."""
        if self.thread is None:
            return "unknown"
        if self.thread.sector is not None:
            return self.sector.standing if self.sector else "unknown"
        if self.thread.paused:
            return "paused"
        return "drained" if self.thread.drained else "idle"

    @property
    def since(self) -> datetime | None:
        """When it began to stand so."""
        if self.sector is not None:
            return self.sector.since
        return self.thread.since if self.thread else None

    @property
    def last_error(self) -> str:
        """The last failure of its sector, or why the thread is not known, or what is wrong with its configuration."""
        failure = self.sector.failure if self.sector else None
        note = self.thread.note if self.thread else ""
        return "; ".join(filter(None, (failure.text if failure else self.problem, note)))

    @property
    def doing(self) -> str:
        """What it is at."""
        return self.idle or (self.thread.doing if self.thread else "")


async def ask(client: Client, workflow_id: str, query: str, kind: type[T]) -> T:
    """Return what a workflow's query answers. Raises OrderError."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            found: T = await client.get_workflow_handle(workflow_id).query(query, result_type=kind)
            return found
    except TimeoutError as late:
        raise OrderError(f"no worker of the fleet answers for {workflow_id}: is one running?") from late
    except RPCError as error:
        raise OrderError(explain(workflow_id, error)) from error
    except TemporalError as error:
        raise OrderError(f"{workflow_id} does not tell its {query}: {error}") from error


async def find(client: Client, name: str) -> SectorView:
    """Return the task of a sector, named by its id (s-t01000-5, t01000-5, 1000-5) or its workflow's id.

    Of a sector's tasks the one that runs, else the last that began. Raises OrderError, also where two run, as after a
    restore of Temporal's database from an old backup: an order that is meant for one would end the other.
    """
    ids = [task_id(flow, sector) for flow in LATEST] if (sector := SectorId.named(name)) else [name]
    found = [view for view in await asyncio.gather(*(_see(client, one) for one in ids)) if view]
    if not found:
        raise OrderError(f"there is no task of sector {name}; sealflow sector list shows those that there are")
    if len(under_way := [view.workflow_id for view in found if not view.closed]) > 1:
        raise OrderError(f"sector {name} has {len(under_way)} tasks under way: name one, {' or '.join(under_way)}")
    return max(found, key=lambda view: (not view.closed, view.began))


async def _see(client: Client, workflow_id: str) -> SectorView | None:
    try:
        return see(await described(client, workflow_id))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise OrderError(explain(workflow_id, error)) from error


async def find_many(client: Client, where: str, *, running: bool) -> list[SectorView]:
    """Return the sectors that a visibility query finds. Raises OrderError, with the server's word on a wrong query."""
    query = f"({SECTORS}) AND ({where})" if where else SECTORS
    if running:
        query += f" AND ExecutionStatus = '{WorkflowExecutionStatus.RUNNING.name.title()}'"
    try:
        return await look(client, query)
    except RPCError as error:
        raise OrderError(f"Temporal does not take the query {where!r}: {error}") from error


async def reasons(client: Client, views: Sequence[SectorView]) -> list[str]:
    """Return why sectors stand still, in the order given, which only their workflows know; none for one that runs."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(view: SectorView) -> str:
        if view.closed or not view.parked:
            return ""
        async with turn:
            try:
                return _reason(await ask(client, view.workflow_id, "status", Status))
            except OrderError as error:
                return str(error)

    return list(await asyncio.gather(*(one(view) for view in views)))


def _reason(status: Status) -> str:
    if status.failure:
        return status.failure.text
    return status.last_command.command if status.last_command else ""


async def stays_of(client: Client, view: SectorView) -> Status | Summary:
    """Return what knows a task's stays: its status, or the result of one that has finished. Raises OrderError."""
    if view.status == WorkflowExecutionStatus.COMPLETED.name:
        handle: Any = client.get_workflow_handle(view.workflow_id, run_id=view.run_id, result_type=Summary)
        summary: Summary = await handle.result()
        return summary
    return await ask(client, view.workflow_id, "status", Status)


async def threads(client: Client, config: Config) -> list[ThreadView]:
    """Return the threads of one worker, in the order of its configuration."""
    return list(await asyncio.gather(*(thread(client, config, index) for index in range(len(config.sealing_thread)))))


async def at_work(client: Client, views: Sequence[ThreadView]) -> list[SectorView | None]:
    """Return what the sector of each thread is at on its machine, in the order given; None for one without."""

    async def one(view: ThreadView) -> SectorView | None:
        return await _see(client, view.thread.sector) if view.thread and view.thread.sector else None

    return list(await asyncio.gather(*(one(view) for view in views)))


async def thread(client: Client, config: Config, index: int) -> ThreadView:
    """Return one thread. What cannot be asked is missing in it, and ``problem`` says why."""
    configured = config.sealing_thread[index]
    view = ThreadView(
        index=index,
        location=str(configured.location),
        plan=configured.plan,
        workflow_id=thread_id(config.worker.name, configured.location),
        thread=None,
        sector=None,
    )
    try:
        found = await ask(client, view.workflow_id, "status", ThreadStatus)
        view = view.model_copy(update={"thread": found})
        if found.sector is not None:
            sector = await ask(client, found.sector, "status", Status)
            view = view.model_copy(update={"sector": sector, "plan": sector.flow})
        else:
            view = view.model_copy(update={"idle": await _why_idle(client, view.workflow_id)})
    except OrderError as error:
        view = view.model_copy(update={"problem": str(error)})
    return view


async def _why_idle(client: Client, workflow_id: str) -> str:
    """Return why a thread's question for a sector is asked again. Raises OrderError."""
    try:
        found = await described(client, workflow_id)
    except RPCError as error:
        raise OrderError(explain(workflow_id, error)) from error
    return "; ".join(each.last_failure.message for each in found.raw_description.pending_activities)
