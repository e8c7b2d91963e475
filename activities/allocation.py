"""How a thread comes by its next sector.

Dies here: before the manager answered, nothing has happened. After it, the claim in the location says which sector
is this thread's, so the next try takes it up instead of asking again. Between the two the request's key lets a
manager that knows it (ours) give the same sector again; the incumbent's loses a number there, as with its own worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from activities.leftovers import LeftOvers
from sealing.failures import LeveledFailure, Outage, Wait
from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.proofs import seal_proof
from sealing.sector import Allocation, Home, Sector, SectorInput, Settings, ThreadInput
from sealing.stores.claim import Claim, probe_claim, read_claim, write_claim

UNWRITABLE_PAUSE = 60.0
"""Seconds until a location that cannot be written is tried again."""
STANDS_STILL_PAUSE = 24 * 3600.0
"""Seconds until a thread that may not ask looks again; the order that lets it ask ends this wait."""
GIVEN_BACK_PAUSE = 3600.0
"""Seconds until a manager that gave a sector of a kind that cannot be sealed is asked again."""


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
    left_overs: LeftOvers
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
                _refuse_standing(thread)
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
        return None if claim is None or await self.left_overs.clear(claim) else claim

    async def _take(self, thread: ThreadInput, plan: Plan) -> Claim:
        try:
            probe_claim(thread.location)
            claim = await self._ask(thread, plan)
            write_claim(thread.location, claim)
        except OSError as error:
            raise Wait(f"idle: {thread.location} cannot be written: {error}", UNWRITABLE_PAUSE) from error
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


def _refuse_standing(thread: ThreadInput) -> None:
    """Let a thread that was paused or drained wait: it takes up the sector that it has, and asks for no other."""
    if thread.paused or thread.drained:
        why = "paused" if thread.paused else "drained"
        raise Wait(f"idle: the thread is {why}, it asks for no sector", STANDS_STILL_PAUSE)
