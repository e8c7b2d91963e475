"""How long the end of a task is told to a manager that does not take it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.reporting import TELL_TRIES, ReportingActivities, tell_aborted
from sealing.failures import LeveledFailure, Outage, Permanent, Temporary
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.sector import Ending, Home, Report
from sealing.values import SectorId

SECTOR = SectorId(miner=1000, number=1)
Tell = Callable[[LeveledFailure, int], Awaitable[None]]
UNWELL, REFUSING = Temporary("error 1: database is locked"), Permanent("no such method")


async def report_end(failure: LeveledFailure, attempt: int) -> None:
    """Tell of a finished sector at an attempt, to a manager that answers with a failure."""
    client = Mock(spec=Client)
    unknown = RPCError("not found", RPCStatusCode.NOT_FOUND, b"")
    client.get_workflow_handle.return_value.describe = AsyncMock(side_effect=unknown)
    manager = AsyncMock(spec=Manager)
    manager.report_state.side_effect = manager.report_finalized.side_effect = failure
    environment = ActivityEnvironment(client)
    environment.info = replace(environment.info, attempt=attempt)
    home = Home(worker="w", location="/l")
    report = Report(sector=SECTOR, home=home, previous=State.ProofSubmitted, next=State.Finished, event="Finish")
    await environment.run(ReportingActivities(manager).report_end, Ending(report=report))


async def aborted(failure: LeveledFailure, attempt: int) -> None:
    """Tell of a task that others ended."""
    await tell_aborted(AsyncMock(spec=Manager, report_aborted=AsyncMock(side_effect=failure)), SECTOR, "why", attempt)


@pytest.mark.parametrize("tell", [report_end, aborted])
@pytest.mark.parametrize("attempt", [1, TELL_TRIES, 10 * TELL_TRIES])
async def test_a_manager_that_is_unwell_is_told_for_as_long_as_it_takes(tell: Tell, attempt: int) -> None:
    """However often it did not answer before: an attempt at which it was away counts as one too."""
    with pytest.raises(Outage, match="did not take the end of s-t01000-1"):
        await tell(UNWELL, attempt)


async def test_a_manager_that_refuses_is_told_some_times() -> None:
    """Then the task ends without it: the workflow's result says so, and the log, where others ended the task."""
    for tell in (report_end, aborted):
        with pytest.raises(Outage):
            await tell(REFUSING, TELL_TRIES - 1)
    with pytest.raises(Permanent):
        await report_end(REFUSING, TELL_TRIES)
    await aborted(REFUSING, TELL_TRIES)
