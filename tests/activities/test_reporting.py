"""The end of a task, told to a manager that knows a task by its sector alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities import reporting
from activities.reporting import ReportingActivities
from sealing.failures import Outage, Permanent
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.sector import Ending, Home, Report, task_id
from sealing.values import SectorId
from tests.workflows.test_snapup import upgradable
from tests.world.plant import Plant, working

pytestmark = pytest.mark.server

BEFORE = "9f1d7b4e-6d3c-4f55-8a55-8a1a2f2b6d11"
"""The id of a run that is over."""


@pytest.mark.parametrize(
    ("flow", "state"), [(SEALER.name, State.Finished), (SNAPUP.name, State.Finished), (SNAPUP.name, State.Aborted)]
)
async def test_an_end_that_is_told_again_does_not_end_the_next_task(
    temporal: Client, tmp_path: Path, flow: str, state: State
) -> None:
    """A worker died with the answer, and the call comes again when an upgrade is under way: that goes on to its end."""
    go = tmp_path / "go"
    async with upgradable(temporal, tmp_path / "plant") as built:
        built.simulate(snap_prove={"until": str(go)})
        async with working(built):
            await built.until(lambda: built.starts("snap_prove"), "the upgrade to be under way")
            told = len(built.proxy.calls)
            assert not await _tell(built, flow, state)
            assert not {"Venus.ReportFinalized", "Venus.ReportAborted"} & {name for name, _ in built.proxy.calls[told:]}
            go.touch()
            summary = await built.finished()
            assert summary.state is State.Finished


async def test_a_state_that_is_refused_keeps_no_end_from_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that refuses the state report is told of the end all the same; one that is away is asked again."""
    monkeypatch.setattr(reporting, "is_followed", AsyncMock(return_value=False))
    manager = AsyncMock(spec=Manager)
    manager.report_state.side_effect = Permanent("no such state")
    report = Report(
        sector=SectorId(miner=1000, number=5),
        home=Home(worker="w", location="/l"),
        previous=State.Persisted,
        next=State.Finished,
        event="Finish",
    )
    environment = ActivityEnvironment(Mock(spec=Client))
    assert await environment.run(ReportingActivities(manager).report_end, Ending(report=report))
    manager.report_finalized.assert_awaited_once_with(report.sector)
    manager.report_state.side_effect = Outage("it is away")
    with pytest.raises(Outage):
        await environment.run(ReportingActivities(manager).report_end, Ending(report=report))
    manager.report_finalized.assert_awaited_once()


async def _tell(built: Plant, flow: str, state: State) -> bool:
    environment = ActivityEnvironment(built.client)
    environment.info = replace(
        environment.info, workflow_id=task_id(flow, built.id()), workflow_run_id=BEFORE, attempt=2
    )
    report = Report(
        sector=built.id(),
        home=Home(worker=built.config.worker.name, location=str(built.folder)),
        previous=State.Persisted,
        next=state,
        event="Finish",
    )
    async with Manager(built.config.manager.rpc_client.addr) as manager:
        return await environment.run(ReportingActivities(manager).report_end, Ending(report=report, abort_reason="why"))
