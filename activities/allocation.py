"""How a thread comes by its next sector.

Dies here: before the manager answered, nothing has happened. After it, the claim in the location says which sector
is this thread's, so the next try takes it up instead of asking again. Between the two the request's key lets a
manager that knows it (ours) give the same sector again; the incumbent's loses a number there, as with its own worker.
A sector may be upgraded more than once, so the claim of an upgrade also says which run, of an earlier one, is not its.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from activities import executions
from activities.leftovers import LeftOvers
from activities.tracing import new_trace, request_key
from activities.unclaimed import Unclaimed
from sealing import tracing
from sealing.failures import LeveledFailure, Outage, Wait
from sealing.flow.registry import LATEST
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.proofs import seal_proof
from sealing.sector import Allocation, Home, Sector, SectorInput, Settings, ThreadInput, task_id
from sealing.stores import mounts, space
from sealing.stores.claim import Claim, probe_claim, read_claim, write_claim
from sealing.stores.mounts import Mounts

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
    note: str = ""
    """What there is to say about it: a broken hot configuration. Whoever looks at the thread sees it."""


@dataclass(frozen=True)
class AllocationActivities:
    """Activities of a sealing thread, on its machine."""

    client: Client
    manager: Manager
    plan: Callable[[str], Plan]
    left_overs: LeftOvers
    mounts: Mounts = field(default_factory=Mounts)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    @activity.defn
    async def allocate(self, thread: ThreadInput) -> Allocation:
        """Return the thread's next task. While there is none the thread is idle: Wait, looked at again by the server.

        A failing allocation is idle too: no sector stands or falls with it.
        """
        plan = await asyncio.to_thread(self.plan, thread.location)
        # An unmounted location looks like a fresh one: its claim is not there, and a new sector would be.
        if why := await self.mounts.gone(Path(thread.location)):
            raise Wait(f"idle: {why}; waiting for it to be back", mounts.LOOK_AGAIN)
        # Two attempts of one thread at once would take two sectors.
        async with _noting(plan.note), self._turns.setdefault(thread.location, asyncio.Lock()):
            claim = await self._open_claim(thread)
            if claim is None:
                _refuse_standing(thread)
                claim = await self._take(thread, plan)
            follows = await self._follows_finished(claim)
        return Allocation(task=claim.task, seal_interval=plan.seal_interval, note=plan.note, follows_finished=follows)

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

    async def _open_claim(self, thread: ThreadInput) -> Claim | None:
        """Return the location's claim, unless its task has ended: then what is left of the sector goes with it.

        No other sector is taken over the files of one whose claim was lost.
        """
        claim = read_claim(thread.location)
        if claim is not None:
            claim = await self._with_before(claim)
            if not await self.left_overs.clear(claim):
                return claim
        with _writing(thread.location):
            return await Unclaimed(self.client, self.left_overs).claim(thread.location, thread.worker)

    async def _take(self, thread: ThreadInput, plan: Plan) -> Claim:
        with _writing(thread.location):
            probe_claim(thread.location)
            claim = await self._ask(thread, plan)
            write_claim(thread.location, claim)
        return await self._with_before(claim)

    async def _ask(self, thread: ThreadInput, plan: Plan) -> Claim:
        idle = plan.seal_interval.total_seconds()
        home = Home(worker=thread.worker, location=thread.location)
        tracing.anew()
        try:
            sector = await (self._upgradable if plan.flow == SNAPUP.name else self._new)(home, plan, request_key())
        except (LeveledFailure, Outage) as failure:
            raise Wait(f"idle: {failure}", idle) from failure
        if sector is None:
            raise Wait("idle: the manager has no sector to give", idle)
        if why := _unfit(sector):
            await self.manager.report_aborted(sector.id, why)
            raise Wait(f"idle: sector {sector.id} was given back: {why}", GIVEN_BACK_PAUSE)
        flow = LATEST[plan.flow]
        task = SectorInput(
            flow=flow.name,
            flow_version=flow.version,
            state=State.Allocated,
            sector=sector.model_copy(update={"trace": new_trace(task_id(flow.name, sector.id))}),
            settings=plan.settings,
        )
        # A sector is sealed once, but may be upgraded again.
        return Claim(task=task, before="" if sector.upgrade is None else None)

    async def _with_before(self, claim: Claim) -> Claim:
        """Return a claim that says what came before its task, which begins only then.

        Looked up after the claim is there, so that no sector is lost where Temporal does not answer.
        """
        if claim.before is not None:
            return claim
        known = claim.model_copy(update={"before": await executions.last_run(self.client, claim.task.workflow_id)})
        location = claim.task.sector.home.location
        with _writing(location):
            write_claim(location, known)
        return known

    async def _follows_finished(self, claim: Claim) -> bool:
        """Tell whether the claimed task has yet to begin, after an earlier one of its id that has finished."""
        if not claim.before:
            return False
        return await executions.is_last_and_finished(self.client, claim.task.workflow_id, claim.before)

    async def _new(self, home: Home, plan: Plan, key: str) -> Sector | None:
        given = await self.manager.allocate_sector(plan.allowed_miners, plan.allowed_proof_types, request=key)
        return None if given is None else Sector(home=home, id=given.id, proof_type=given.proof_type)

    async def _upgradable(self, home: Home, plan: Plan, key: str) -> Sector | None:
        given = await self.manager.allocate_snapup(
            plan.allowed_miners,
            plan.allowed_proof_types,
            plan.settings.max_deals,
            plan.settings.min_deal_space,
            request=key,
        )
        if given is None:
            return None
        return Sector(home=home, id=given.id, proof_type=given.proof_type, deals=given.deals, upgrade=given.upgrade)


@contextmanager
def _writing(location: str) -> Iterator[None]:
    """Let a thread wait whose location cannot be written."""
    try:
        yield
    except OSError as error:
        full = space.no_space(location, error)
        raise Wait(f"idle: {full or f'{location} cannot be written: {error}'}", space.LOOK_AGAIN) from error


@asynccontextmanager
async def _noting(note: str) -> AsyncIterator[None]:
    """Let a wait say what there is to say about the plan: while a thread is idle nothing else reaches its watchers."""
    try:
        yield
    except Wait as wait:
        if not note:
            raise
        raise Wait(f"{wait}; {note}", wait.delay) from wait


def _unfit(sector: Sector) -> str | None:
    """Return why a sector that was given cannot be worked on, or None."""
    try:
        seal_proof(sector.proof_type)
    except ValueError as error:
        return str(error)
    if sector.upgrade is None:
        return None
    if not sector.deals:
        return "there are no pieces for the upgrade"
    return None if sector.upgrade.access_instance else "no store is named for the replica that is to be upgraded"


def _refuse_standing(thread: ThreadInput) -> None:
    """Let a thread that was paused or drained wait: it takes up the sector that it has, and asks for no other."""
    if thread.paused or thread.drained:
        why = "paused" if thread.paused else "drained"
        raise Wait(f"idle: the thread is {why}, it asks for no sector", STANDS_STILL_PAUSE)
