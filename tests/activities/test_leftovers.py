"""What is left of a task goes where Temporal says that the task has ended, and is left alone where it says less."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.leftovers import Known, LeftOvers
from sealing.failures import Outage, Wait
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.sector import Home, Sector, SectorInput, Settings
from sealing.stores.claim import Claim, read_claim, write_claim
from sealing.values import SectorId, Upgrade


@dataclass
class Place:
    """A location that a sector has, and what Temporal says of the sector's task."""

    location: Path
    client: Mock = field(default_factory=lambda: Mock(spec=Client))
    stop: AsyncMock = field(default_factory=AsyncMock)
    remove: AsyncMock = field(default_factory=AsyncMock)

    @property
    def claim(self) -> Claim:
        """The location's."""
        home = Home(worker="machine", location=str(self.location))
        sector = Sector(home=home, id=SectorId(miner=1000, number=5), proof_type=5)
        version = SEALER.version
        task = SectorInput(
            flow=SEALER.name, flow_version=version, state=State.Allocated, sector=sector, settings=Settings()
        )
        return Claim(task=task)

    @property
    def upgrade(self) -> Claim:
        """A claim of the same sector's upgrade, which may be the second one."""
        old = Upgrade(comm_r="00" * 32, access_instance="store")
        sector = self.claim.task.sector.model_copy(update={"upgrade": old})
        return Claim(task=self.claim.task.model_copy(update={"flow": "snapup", "sector": sector}), before="run")

    @property
    def replica(self) -> Path:
        """A file of the sector."""
        return self.claim.task.sector.files.sealed

    def temporal_says(self, answer: RPCError | WorkflowExecutionStatus, **closed: Any) -> None:
        """Let Temporal answer so when it is asked about the task."""
        handle = self.client.get_workflow_handle.return_value
        described = SimpleNamespace(status=answer, id="sealer", run_id="run", close_time=datetime.now(UTC))
        handle.describe = AsyncMock(
            side_effect=answer if isinstance(answer, RPCError) else None, return_value=described
        )
        event = HistoryEvent(**closed)

        async def events(**_: Any) -> AsyncIterator[HistoryEvent]:
            yield event

        handle.fetch_history_events = events

    @property
    def left_overs(self) -> LeftOvers:
        """What clears the machine."""
        return LeftOvers(self.client, AsyncMock(spec=Manager), self.stop, self.remove, grace=timedelta(hours=1))

    async def cleared(self) -> bool:
        """Look at the claim as a thread does that starts."""
        return await self.left_overs.clear(self.claim)

    def is_untouched(self) -> bool:
        """Tell whether files, jobs and claim are as they were."""
        left = self.replica.exists() and read_claim(str(self.location)) == self.claim
        return left and not self.stop.called and not self.remove.called


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a location with a sector that has files."""
    made = Place(tmp_path)
    made.replica.parent.mkdir(parents=True)
    made.replica.touch()
    write_claim(str(tmp_path), made.claim)
    return made


def refused(status: RPCStatusCode) -> RPCError:
    """Return what Temporal's client raises."""
    return RPCError("no", status, b"")


async def test_a_task_that_runs_is_left_alone(place: Place) -> None:
    """Running, and nothing else, is what Temporal says of it."""
    place.temporal_says(WorkflowExecutionStatus.RUNNING)
    assert not await place.cleared()
    assert place.is_untouched()


async def test_a_task_that_temporal_does_not_know_is_left_alone(place: Place) -> None:
    """It may have lost its database, or be another one: that it has ended is not said."""
    place.temporal_says(refused(RPCStatusCode.NOT_FOUND))
    with pytest.raises(Wait, match=r"not know sealer-t01000-5, and s-t01000-5 has files here .*: nothing is touched"):
        await place.cleared()
    assert place.is_untouched()


async def test_a_task_that_has_not_begun_keeps_its_claim(place: Place) -> None:
    """It has no files, so it is started with the sector that the claim names, and burns no number."""
    place.replica.unlink()
    place.temporal_says(refused(RPCStatusCode.NOT_FOUND))
    assert not await place.cleared()
    assert read_claim(str(place.location)) == place.claim
    assert not place.remove.called


@pytest.mark.parametrize(
    "status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.PERMISSION_DENIED]
)
async def test_without_an_answer_nothing_is_touched(place: Place, status: RPCStatusCode) -> None:
    """An Outage: it is asked again."""
    place.temporal_says(refused(status))
    with pytest.raises(Outage):
        await place.cleared()
    assert place.is_untouched()


@pytest.mark.parametrize(
    "ended",
    [
        WorkflowExecutionStatus.TERMINATED,
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.TIMED_OUT,
        WorkflowExecutionStatus.CANCELED,
    ],
)
async def test_an_end_that_the_task_did_not_come_to_by_itself_has_its_grace(
    place: Place, ended: WorkflowExecutionStatus
) -> None:
    """It may be a mistake, or half of a reset."""
    place.temporal_says(ended)
    with pytest.raises(Wait, match="its files are cleared in 3"):
        await place.cleared()
    assert place.is_untouched()


async def test_a_finished_task_is_cleared(place: Place) -> None:
    """What the task itself could not remove goes, jobs first and the claim last."""
    place.temporal_says(WorkflowExecutionStatus.COMPLETED)
    assert await place.cleared()
    place.stop.assert_awaited_once_with(place.claim.task.sector)
    place.remove.assert_awaited_once_with(place.claim.task.sector)
    assert read_claim(str(place.location)) is None


async def test_an_aborted_task_is_cleared(place: Place) -> None:
    """It failed with the type that says so: no grace, and no quarantine."""
    failure = {"application_failure_info": {"type": State.Aborted}}
    place.temporal_says(WorkflowExecutionStatus.FAILED, workflow_execution_failed_event_attributes={"failure": failure})
    assert await place.cleared()
    assert place.remove.called
    assert read_claim(str(place.location)) is None


@pytest.mark.parametrize("says", [WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED])
async def test_the_end_of_an_earlier_upgrade_is_not_that_of_the_claimed_one(
    place: Place, says: WorkflowExecutionStatus
) -> None:
    """The manager gives a sector again that it was told of while the earlier task's files still went."""
    write_claim(str(place.location), place.upgrade)
    place.temporal_says(says)
    assert not await place.left_overs.clear(place.upgrade)
    assert read_claim(str(place.location)) == place.upgrade
    assert not place.remove.called


@pytest.mark.parametrize("where", ["machine", "other"])
async def test_an_upgrade_that_went_on_elsewhere_is_no_reason_to_wait(place: Place, where: str) -> None:
    """Its files here are those of one that was aborted without this machine. The other's, in stores, are left."""
    claim = place.upgrade.model_copy(update={"before": ""})
    write_claim(str(place.location), claim)
    place.temporal_says(WorkflowExecutionStatus.RUNNING)
    home = Home(worker=where, location=str(place.location))
    known = Known(state=State.TreeDBuilt, sector=claim.task.sector.model_copy(update={"home": home}))
    place.client.get_workflow_handle.return_value.query = AsyncMock(return_value=known)
    is_elsewhere = where == "other"
    assert await place.left_overs.clear(claim) is is_elsewhere
    assert place.replica.exists() is not is_elsewhere
    assert (read_claim(str(place.location)) is None) is is_elsewhere
    assert not place.remove.called


async def test_where_an_upgrade_runs_must_be_said(place: Place) -> None:
    """Else it is asked again."""
    place.temporal_says(WorkflowExecutionStatus.RUNNING)
    place.client.get_workflow_handle.return_value.query = AsyncMock(side_effect=refused(RPCStatusCode.UNAVAILABLE))
    with pytest.raises(Outage, match="does not tell where"):
        await place.left_overs.clear(place.upgrade.model_copy(update={"before": ""}))
    assert place.is_untouched()
