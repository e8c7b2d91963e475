"""Several stores, and disks that are full or gone: the sector waits, says for what, and goes on by itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.flow.state import State
from sealing.stores import mounts, space
from sealing.stores.layout import SectorFiles
from sealing.stores.statefile import StateFile, write_state
from tests.world.disks import small_disk
from tests.world.plant import Plant, plant, working
from workers.watch import SectorView, see

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again soon for what is waited for."""
    monkeypatch.setattr(space, "LOOK_AGAIN", 0.3)
    monkeypatch.setattr(mounts, "LOOK_AGAIN", 0.3)


async def says(built: Plant, what: str) -> SectorView:
    """Wait until an operator reads in a sector's row what it waits for: it is neither parked, nor does it recover."""
    seen: list[SectorView] = []

    async def told() -> bool:
        found = [each async for each in built.client.list_workflows(f"WorkflowId = '{built.sector().id}'")]
        seen[:] = [see(await built.sector().describe()) for _ in found]
        return any(what in view.doing for view in seen)

    await built.until(told, f"the sector to say {what!r}")
    assert (seen[0].standing, seen[0].level) == ("runs", "")
    status = await built.status()
    assert (status.halted, status.recovering, status.failure, status.tries) == (False, False, None, 1)
    return seen[0]


def files_in(store: Path) -> list[Path]:
    """Return every file in a store."""
    return [path for path in store.rglob("*") if path.is_file()]


async def test_a_sector_goes_where_there_is_room(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three stores one is full and one takes nothing: while both others are full it waits, naming them."""
    roomy, archive = tmp_path / "roomy", tmp_path / "archive"
    for path in (roomy, archive):
        path.mkdir()
    attached = f"""
[[attached]]
name = "roomy"
location = "{roomy}"
[[attached]]
name = "archive"
location = "{archive}"
readonly = true
[attached_selection]
enable_space_weighted = true
"""
    full = {tmp_path / "store", roomy}
    real = space.free
    monkeypatch.setattr(space, "free", lambda path: 1000 if path in full else real(path))
    stores = {"store": tmp_path / "store", "roomy": roomy, "archive": archive}
    async with plant(temporal, tmp_path, attached=attached, stores=stores) as built, working(built):
        view = await says(built, "waiting for space")
        assert view.doing.startswith("persist: no store has room for")
        assert "roomy has 1000 B left, store has 1000 B left; waiting for space: make room, or add" in view.doing
        full.remove(roomy)
        summary = await built.finished()
        assert summary.state is State.Finished
        assert len(files_in(roomy)) == 4
        assert files_in(archive) == files_in(tmp_path / "store") == []


async def test_files_that_the_manager_does_not_find_yet(temporal: Client, tmp_path: Path) -> None:
    """It says the same while its store is away, so it is asked again: nobody has to come."""
    async with plant(temporal, tmp_path) as built, working(built):
        built.proxy.answers["Venus.SubmitPersistedEx"] += [{"result": False}] * 2
        summary = await built.finished()
        assert summary.state is State.Finished
        assert [stay.tries for stay in summary.stays if stay.state is State.Persisted] == [3]


async def test_a_full_local_disk_holds_a_sector(temporal: Client, tmp_path: Path) -> None:
    """The disk becomes full while a stage runs: what cannot be written is made again when there is room."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(add_pieces={"seconds": 1.0, "times": 1})
        with small_disk(tmp_path / "threads" / "0", 512) as disk:
            async with working(built):
                await built.until(lambda: built.starts("add_pieces"), "the stage to run")
                ballast = disk.fill()
                view = await says(built, "waiting for space")
                assert view.state == State.DealsAcquired
                ballast.unlink()
                assert (await built.finished()).state is State.Finished
                assert (await built.status()).stays[1].tries == 1
        assert built.observer.timeline(built.id()).proof_verified


@pytest.mark.parametrize(
    ("number", "what"),
    [(errno.ENOSPC, "is full (No space left on device); waiting for space"), (errno.EROFS, "Read-only file system")],
    ids=["full", "read-only"],
)
async def test_a_state_file_that_cannot_be_written_holds_a_sector(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    """Before a step it does not begin, after it its job is done and found: nothing fails, and no job runs twice."""
    refused = {State.DealsAcquired, State.PC1Done}

    def limited(files: SectorFiles, kept: StateFile) -> None:
        if kept.task.state is State.PC1Done:
            write_state(files, kept)  # its folder cannot be synced: the file is ahead of what anybody has heard
        if kept.task.state in refused:
            raise OSError(number, os.strerror(number), str(files.state))
        write_state(files, kept)

    monkeypatch.setattr("activities.statefile.write_state", limited)
    async with plant(temporal, tmp_path) as built, working(built):
        built.simulate()
        view = await says(built, what)
        assert (view.state, built.starts("add_pieces")) == (State.DealsAcquired, 0)
        refused.remove(State.DealsAcquired)
        await built.until(lambda: built.starts("pc1"), "PC1 to run")
        view = await says(built, what)
        assert (view.state, view.doing.startswith("pc1: ")) == (State.TicketAssigned, True)
        refused.clear()
        assert (await built.finished()).state is State.Finished
        assert [built.starts(stage) for stage in ("add_pieces", "pc1", "pc2")] == [1, 1, 1]


async def test_no_stage_begins_that_would_fill_the_disk(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PC1 waits before its start, not after its hours."""
    left = [3 * 2048 - 1]
    monkeypatch.setattr(space, "free", lambda path: left[0] if "threads" in path.parts else 1 << 30)
    async with plant(temporal, tmp_path) as built, working(built):
        built.simulate()
        view = await says(built, "waiting for space")
        assert view.doing.startswith("pc1: the disk of ")
        assert "too full for pc1, which writes 6.0 KiB" in view.doing
        assert (view.state, built.starts("pc1")) == (State.TicketAssigned, 0)
        left[0] = 1 << 30
        assert (await built.finished()).state is State.Finished


async def test_an_unmounted_location_holds_a_sector(temporal: Client, tmp_path: Path) -> None:
    """Its stage ends in nothing that counts; with the disk back it goes on with its files."""
    location, elsewhere = tmp_path / "threads" / "0", tmp_path / "elsewhere"
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 1.0, "times": 1})
        with small_disk(elsewhere, 1024), small_disk(location, 1024) as disk:
            disk.unmount()
            disk.mount(again_from=elsewhere)
            async with working(built):
                await built.until(lambda: built.starts("pc1"), "the stage to run")
                disk.unmount()
                view = await says(built, "nothing is mounted")
                assert f"{location} is gone: nothing is mounted at {location}; mount its disk" in view.doing
                assert not files_in(location)
                disk.mount(again_from=elsewhere)
                assert (await built.finished()).state is State.Finished
                assert built.starts("pc1") <= 2
