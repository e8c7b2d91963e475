"""Files without a claim: their sector is its thread's again, or they are set aside; no other is taken over them."""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.leftovers import Known
from activities.unclaimed import Unclaimed
from sealing.failures import Wait
from sealing.flow.state import State
from sealing.processors.folder import STARTING
from sealing.sector import Home
from sealing.stores.claim import Claim, read_claim
from sealing.stores.layout import QUARANTINE, SectorFiles
from sealing.stores.statefile import StateFile, write_state
from tests.activities.test_leftovers import Place

UNKNOWN = RPCError("not found", RPCStatusCode.NOT_FOUND, b"")


class Bare(Place):
    """A location with a sector's files and no claim."""

    @property
    def files(self) -> SectorFiles:
        """The sector's."""
        return self.claim.task.sector.files

    async def found(self, worker: str = "machine") -> Claim | None:
        """Look at the location as its thread does."""
        return await Unclaimed(self.client, self.left_overs).claim(str(self.location), worker)

    @property
    def aside(self) -> list[Path]:
        """What was set aside."""
        return sorted((self.location / QUARANTINE).glob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Bare:
    """Give a location with a sector's replica and state file; Temporal does not know the task."""
    place = Bare(tmp_path)
    place.replica.parent.mkdir(parents=True)
    place.replica.write_text("replica")
    place.files.jobs.mkdir(parents=True)
    write_state(place.files, StateFile(run="run", written=time.time(), task=place.claim.task))
    place.temporal_says(UNKNOWN)
    return place


async def test_a_task_that_runs_has_its_claim_again(place: Bare) -> None:
    """The thread awaits it, as if the claim had never been gone."""
    place.temporal_says(WorkflowExecutionStatus.RUNNING)
    assert await place.found() == place.claim
    assert place.is_untouched()


async def test_a_task_that_temporal_does_not_know_holds_its_location(place: Bare) -> None:
    """The thread says how it is adopted, and takes no other sector."""
    with pytest.raises(Wait, match=f"adopt {place.location}"):
        await place.found()
    assert place.replica.exists()


async def test_a_task_that_has_ended_is_cleared_away(place: Bare) -> None:
    """That its claim was lost makes no difference."""
    place.temporal_says(WorkflowExecutionStatus.COMPLETED)
    assert await place.found() is None
    place.remove.assert_awaited_once_with(place.claim.task.sector)


@pytest.mark.parametrize(("content", "why"), [(None, "has no state file"), ("{", "is not whole")])
async def test_files_of_which_nothing_tells_are_set_aside(place: Bare, content: str | None, why: str) -> None:
    """All of them, with a note; nothing is removed, and the location is free."""
    place.files.state.unlink()
    if content is not None:
        place.files.state.write_text(content)
    assert await place.found() is None
    (folder,) = place.aside
    assert (folder / "sealed" / place.files.name).read_text() == "replica"
    assert why in (folder / "why.txt").read_text()
    assert not place.remove.called
    assert await place.found() is None
    assert place.aside == [folder]


async def test_what_cannot_be_read_now_is_left_alone(place: Bare) -> None:
    """A disk that fails to give the state file says nothing of what is in it: the thread says so and waits."""
    place.files.state.unlink()
    place.files.state.mkdir()
    with pytest.raises(Wait, match="cannot be read"):
        await place.found()
    assert place.replica.exists()
    assert place.aside == []


async def test_nothing_of_a_task_that_runs_is_set_aside(place: Bare) -> None:
    """Without a state file its claim cannot be written, but its workflow goes on with its files."""
    place.files.state.unlink()
    place.temporal_says(WorkflowExecutionStatus.RUNNING)
    with pytest.raises(Wait, match="sealer-t01000-5 runs"):
        await place.found()
    assert place.replica.exists()
    assert place.aside == []


@pytest.mark.parametrize("worker", ["other", "machine"])
async def test_what_is_of_another_place_is_left_alone(place: Bare, worker: str) -> None:
    """A disk that is another worker's, or is mounted elsewhere: the paths in its files would lead there."""
    if worker == "machine":
        moved = place.location / "moved"
        moved.mkdir()
        (place.location / "data").rename(moved / "data")
        place.location = moved
    with pytest.raises(Wait, match="bring them back there"):
        await place.found(worker)
    assert read_claim(str(place.location)) is None
    assert place.aside == []


async def test_the_lock_that_removing_has_left_is_nothing(tmp_path: Path) -> None:
    """Nor is what has no sector's name."""
    place = Bare(tmp_path)
    place.files.jobs.mkdir(parents=True)
    (place.files.jobs / STARTING).touch()
    (tmp_path / "data" / "sealed" / "notes").mkdir(parents=True)
    assert await place.found() is None
    assert place.aside == []


async def test_an_upgrade_that_went_on_elsewhere_gets_no_claim_back(place: Bare) -> None:
    """Its state file is of a run that has ended; the thread waits for no other, and takes the next sector."""
    task = place.upgrade.task
    write_state(place.files, StateFile(run="run", written=time.time(), task=task))
    place.temporal_says(WorkflowExecutionStatus.RUNNING)
    elsewhere = task.sector.model_copy(update={"home": Home(worker="other", location="/elsewhere")})
    known = Known(state=State.TreeDBuilt, sector=elsewhere)
    place.client.get_workflow_handle.return_value.query = AsyncMock(return_value=known)
    assert await place.found() is None
    assert not place.replica.exists()
    assert read_claim(str(place.location)) is None
