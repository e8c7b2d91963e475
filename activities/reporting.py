"""Telling the manager where a task stands. Every report may arrive twice or not at all: the latest state wins."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from temporalio import activity

from activities.executions import is_followed
from sealing.failures import Abort, LeveledFailure, Outage, Temporary, Wait
from sealing.flow.state import State
from sealing.manager.client import Manager, StateReport
from sealing.sector import Ending, Report, Verdict
from sealing.values import SectorId

log = logging.getLogger(__name__)

ASK_AGAIN = 3600.0
"""Seconds between two questions whether the manager has ended a parked sector."""


TELL_TRIES = 20
"""How often the end of a task is told to a manager that says that it cannot take it."""


@dataclass(frozen=True)
class ReportingActivities:
    """Manager calls, on any worker of the fleet."""

    manager: Manager

    @activity.defn
    async def report_state(self, report: Report) -> Verdict:
        """Report a state and return whether the manager has ended the task."""
        answer = await self.manager.report_state(report.sector, _wire(report))
        return Verdict(finalized=answer.finalized, reason=answer.reason)

    @activity.defn
    async def await_finalized(self, report: Report) -> Verdict:
        """Report a parked sector every hour, and end when the manager says that the task has ended."""
        try:
            verdict = await self.report_state(report)
        except Abort as unknown:
            return Verdict(finalized=True, reason=str(unknown))
        except LeveledFailure as failure:
            raise Wait(f"the manager did not take the report: {failure}", ASK_AGAIN) from failure
        if not verdict.finalized:
            raise Wait(f"{report.sector} stands still in {report.next}", ASK_AGAIN)
        return verdict

    @activity.defn
    async def report_end(self, ending: Ending) -> bool:
        """Report the end of a task, unless it was the manager that ended it. Returns whether it was told.

        Not again once the sector has a later task: an answer may have been lost long ago, and the manager knows a task
        by its sector alone.
        """
        run = activity.info().workflow_run_id
        if not ending.tell or await is_followed(activity.client(), ending.report.sector, run):
            return False
        try:
            await self._tell_last_state(ending.report)
            if ending.report.next is State.Aborted:
                await self.manager.report_aborted(ending.report.sector, ending.abort_reason)
            else:
                await self.manager.report_finalized(ending.report.sector)
        except Abort:
            # It does not know the task any more: that is what it was to be told. A lost answer ends here as well.
            return False
        except LeveledFailure as failure:
            _try_again(failure, ending.report.sector, activity.info().attempt)
            raise
        return True

    async def _tell_last_state(self, report: Report) -> None:
        """Report the state of the end. One that is refused keeps nobody from telling the end itself."""
        try:
            await self.report_state(report)
        except Abort:
            raise
        except LeveledFailure as failure:
            log.warning("the manager did not take the state %s of %s: %s", report.next, report.sector, failure)


async def tell_aborted(manager: Manager, sector: SectorId, reason: str, attempt: int) -> None:
    """Tell the manager of a task that others ended. One that does not know it any more has been told."""
    try:
        await manager.report_aborted(sector, reason)
    except Abort:
        return
    except LeveledFailure as failure:
        _try_again(failure, sector, attempt)
        log.warning("the manager does not take the end of %s, and is not told any more: %s", sector, failure)


def _try_again(failure: LeveledFailure, sector: SectorId, attempt: int) -> None:
    """Raise Outage where telling again can help: without limit where the manager may only be unwell for now.

    What counts as an attempt is also one at which it did not answer.
    """
    if isinstance(failure, Temporary) or attempt < TELL_TRIES:
        raise Outage(f"the manager did not take the end of {sector}: {failure}") from failure


def _wire(report: Report) -> StateReport:
    return StateReport(
        worker=report.home.worker,
        location=report.home.location,
        prev=report.previous.value,
        next=report.next.value,
        event=report.event,
        failure=report.failure,
    )
