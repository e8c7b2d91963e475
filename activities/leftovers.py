"""What is left of a task that was terminated, or aborted while this machine was away.

Removed is only what Temporal positively says has ended. Of a terminated task the files go into quarantine where a
pre-commit may be on chain, for then they may be the only replica that matches it.

Dies here: every part may be repeated, and the claim, by which all this is found, goes last.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.exceptions import TemporalError

from activities import executions
from activities.reporting import tell_aborted
from activities.revealing import revealed
from sealing.failures import Outage, Wait, bounded
from sealing.flow.registry import flow_of
from sealing.flow.state import State
from sealing.keyring import UnreadableError
from sealing.manager.client import Manager
from sealing.sector import Sector
from sealing.stores import local
from sealing.stores.claim import Claim, remove_claim
from sealing.stores.layout import quarantine
from sealing.stores.statefile import adopt_command
from sealing.values import Frozen

log = logging.getLogger(__name__)

LOST_PAUSE = 10.0
"""Seconds until a claim that nobody knows is looked at again: soon after an operator has adopted it."""
QUERY_WITHIN = timedelta(seconds=10)


class Known(Frozen):
    """What is looked at of the status of a task that was terminated."""

    state: State
    sector: Sector


@dataclass(frozen=True)
class LeftOvers:
    """Clears up on one machine."""

    client: Client
    manager: Manager
    stop: Callable[[Sector], Awaitable[None]]
    """Ends what the worker does for a sector, and its jobs."""
    remove: Callable[[Sector], Awaitable[None]]
    """Removes a sector's files from this machine."""
    grace: timedelta
    """How long after a termination nothing is touched: it may be a mistake, or half of a reset."""

    async def clear(self, claim: Claim) -> bool:
        """Clear what is left of the claimed task if it has ended, and return whether it has.

        Wait within the grace, and where Temporal does not know a task that has begun.
        """
        sector = claim.task.sector
        found = await executions.find(self.client, claim.task.workflow_id, sector.files)
        ended = found.run
        if found.lost or ended is None:
            _refuse_started(claim, found.lost)
            return False
        if ended.run_id == claim.before:
            return False  # it is another task that has ended, or is about to: the claimed one has yet to begin
        if found.running:
            if not await self._is_elsewhere(claim, ended):
                return False
            await local.remove_sector(sector.files)  # and nothing in stores and exchange, where the later one's may be
        elif reason := await self._unusual_end(ended):
            self._refuse_early(claim, ended, reason)
            await self._clear_unusual(claim, ended, reason)
        else:
            await self.stop(sector)
            await self.remove(sector)
        remove_claim(sector.home.location)
        return True

    async def _is_elsewhere(self, claim: Claim, running: WorkflowExecutionDescription) -> bool:
        """Tell whether what runs is a later upgrade of the sector, in another place: so the claimed one has ended.

        That is so for a machine that was away while its upgrade was aborted and given to another one.
        """
        sector = claim.task.sector
        if sector.upgrade is None:
            return False  # a sector is sealed once
        handle = self.client.get_workflow_handle(running.id, run_id=running.run_id)
        try:
            known: Known = await handle.query("status", result_type=Known, rpc_timeout=QUERY_WITHIN)
        except (TemporalError, ValueError) as error:
            raise Outage(f"{running.id} runs, and does not tell where: {error}") from error
        return known.sector.home != sector.home

    async def _unusual_end(self, ended: WorkflowExecutionDescription) -> str | None:
        """Return in words how a task has ended that did not end itself; None: finished or aborted, as it should."""
        if ended.status is WorkflowExecutionStatus.COMPLETED:
            return None
        event = await executions.last_event(self.client, ended)
        failure = event.workflow_execution_failed_event_attributes.failure
        if failure.application_failure_info.type == State.Aborted:
            return None
        how = ended.status.name.lower() if ended.status else "ended"
        why = event.workflow_execution_terminated_event_attributes.reason or await self._text(failure)
        return f"{how} in Temporal: {bounded(why, 500)}"

    async def _text(self, failure: Failure) -> str:
        """Return what a failure says, or why it cannot be read."""
        try:
            return await revealed(self.client.data_converter, failure) if failure.message else "no reason given"
        except UnreadableError as error:
            return str(error)

    def _refuse_early(self, claim: Claim, ended: WorkflowExecutionDescription, reason: str) -> None:
        closed = ended.close_time or datetime.now(UTC)
        left = (closed + self.grace).timestamp() - time.time()
        if left > 0:
            raise Wait(f"{claim.task.workflow_id} was {reason}; its files are cleared in {left:.0f} s", left)

    async def _clear_unusual(self, claim: Claim, ended: WorkflowExecutionDescription, reason: str) -> None:
        sector = claim.task.sector
        await self.stop(sector)
        if await self._may_be_on_chain(claim, ended):
            stamp = (ended.close_time or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
            folder = quarantine(sector.home.location, sector.id, stamp)
            await local.quarantine_sector(sector.files, folder, f"{claim.task.workflow_id} was {reason}\n")
            log.warning("%s was %s; a pre-commit may be on chain: its files are in %s", sector.id, reason, folder)
        else:
            await self.remove(sector)
            log.warning("%s was %s; nothing of it is on chain: its files are removed", sector.id, reason)
        await tell_aborted(self.manager, sector.id, reason, activity.info().attempt)

    async def _may_be_on_chain(self, claim: Claim, ended: WorkflowExecutionDescription) -> bool:
        """Tell whether something may have been sent. What the closed workflow does not tell counts as sent."""
        flow = flow_of(claim.task.flow, claim.task.flow_version)
        handle = self.client.get_workflow_handle(ended.id, run_id=ended.run_id)
        try:
            known: Known = await handle.query("status", result_type=Known, rpc_timeout=QUERY_WITHIN)
        except (TemporalError, ValueError) as error:
            log.warning("%s does not tell its status, so it may have been sent: %s", ended.id, error)
            return True
        sends = [step.sends for step in flow.rows.values() if step.sends]
        sent = any(getattr(known.sector, field) is not None for field in sends)
        at = flow.rows.get(known.state)
        return sent or (at is not None and at.sends is not None)


def _refuse_started(claim: Claim, why: str) -> None:
    """Hold a claim whose task Temporal does not know although it has begun: starting anew would wipe its files."""
    sector = claim.task.sector
    if begun := [str(path) for path in sector.files.all() if path.exists()]:
        raise Wait(
            f"{why}, and {sector.id} has files here ({begun[0]}): nothing is touched. If Temporal's database was lost, "
            f"or restored from an old backup, start the task again: {adopt_command(sector.home.location)}",
            LOST_PAUSE,
        )
