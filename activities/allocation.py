"""How a thread comes by its next sector.

Dies here: before the manager answered, nothing has happened. After it, the claim in the location says which sector
is this thread's, so the next try takes it up instead of asking again. Between the two the request's key lets a
manager that knows it (ours) give the same sector again; the incumbent's loses a number there, as with its own worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from sealing.failures import LeveledFailure, Outage, Wait
from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.proofs import seal_proof
from sealing.sector import Allocation, Home, Sector, SectorInput, Settings, ThreadInput
from sealing.stores.claim import Claim, probe_claim, read_claim, remove_claim, write_claim

LOST_PAUSE = 60.0
"""Seconds until a claim that nobody knows is looked at again."""


GIVEN_BACK_PAUSE = 3600.0
"""Seconds until a manager that gave a sector of a kind that cannot be sealed is asked again."""
SWEPT = (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED)
"""Ends that a task comes to by itself. After a termination the files stay: its replica may be the one on chain."""


@dataclass(frozen=True)
class Plan:
    """What the configuration says about a thread now; read anew before each task."""

    flow: str
    settings: Settings
    seal_interval: timedelta
    allowed_miners: tuple[int, ...] = ()
    allowed_proof_types: tuple[int, ...] = ()


@dataclass(frozen=True)
class AllocationActivities:
    """Activities of a sealing thread, on its machine."""

    client: Client
    manager: Manager
    plan: Callable[[str], Plan]
    sweep: Callable[[Sector], Awaitable[None]]
    """Ends a sector's jobs and removes its files."""
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    @activity.defn
    async def allocate(self, thread: ThreadInput) -> Allocation:
        """Return the thread's next task. While there is none the thread is idle: Wait, looked at again by the server.

        A failing allocation is idle too: no sector stands or falls with it.
        """
        plan = self.plan(thread.location)
        # Two attempts of one thread at once would take two sectors.
        async with self._turns.setdefault(thread.location, asyncio.Lock()):
            claim = await self._open_claim(thread.location)
            if claim is None:
                claim = await self._take(thread, plan)
        return Allocation(task=claim.task, seal_interval=plan.seal_interval)

    @activity.defn
    async def await_sector(self, workflow_id: str) -> str:
        """Wait for the end of a sector's workflow that this thread did not start, and return how it ended."""
        handle = self.client.get_workflow_handle(workflow_id)
        try:
            await handle.result()
        except WorkflowFailureError as failure:
            return str(failure.cause)
        except RPCError as error:
            raise Outage(f"Temporal does not answer about {workflow_id}: {error}") from error
        return "finished"

    async def _open_claim(self, location: str) -> Claim | None:
        """Return the location's claim, unless its task has ended: then what is left of the sector goes with it."""
        claim = read_claim(location)
        if claim is None or not (ended := await self._end_of(claim)):
            return claim
        if ended in SWEPT:
            await self.sweep(claim.task.sector)
        remove_claim(location)
        return None

    async def _take(self, thread: ThreadInput, plan: Plan) -> Claim:
        try:
            probe_claim(thread.location)
            claim = await self._ask(thread, plan)
            write_claim(thread.location, claim)
        except OSError as error:
            raise Wait(f"idle: {thread.location} cannot be written: {error}", LOST_PAUSE) from error
        return claim

    async def _ask(self, thread: ThreadInput, plan: Plan) -> Claim:
        idle = plan.seal_interval.total_seconds()
        key = f"{activity.info().workflow_id}/{activity.info().workflow_run_id}"
        try:
            given = await self.manager.allocate_sector(plan.allowed_miners, plan.allowed_proof_types, request=key)
        except (LeveledFailure, Outage) as failure:
            raise Wait(f"idle: {failure}", idle) from failure
        if given is None:
            raise Wait("idle: the manager has no sector to give", idle)
        try:
            seal_proof(given.proof_type)
        except ValueError as error:
            await self.manager.report_aborted(given.id, str(error))
            raise Wait(f"idle: sector {given.id} was given back: {error}", GIVEN_BACK_PAUSE) from error
        flow = LATEST[plan.flow]
        home = Home(worker=thread.worker, location=thread.location)
        sector = Sector(home=home, id=given.id, proof_type=given.proof_type)
        task = SectorInput(
            flow=flow.name,
            flow_version=flow.version,
            state=State.Allocated,
            sector=sector,
            settings=plan.settings,
        )
        return Claim(task=task)

    async def _end_of(self, claim: Claim) -> WorkflowExecutionStatus | None:
        """Return how Temporal positively says that the claimed task has ended. Not found is not ended."""
        try:
            found = await self.client.get_workflow_handle(claim.task.workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                _refuse_started(claim)
                return None
            raise Outage(f"Temporal does not answer about {claim.task.workflow_id}: {error}") from error
        return None if found.status is WorkflowExecutionStatus.RUNNING else found.status


def _refuse_started(claim: Claim) -> None:
    """Hold a claim whose task Temporal does not know although it has begun: starting anew would wipe its files."""
    sector = claim.task.sector
    if begun := [str(path) for path in sector.files.all() if path.exists()]:
        raise Wait(
            f"{sector.id} has files here ({begun[0]}) and Temporal does not know {claim.task.workflow_id}: "
            "nothing is touched until that is cleared up",
            LOST_PAUSE,
        )
