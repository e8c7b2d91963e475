"""The permanent stores: space, and the check of persisted files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from sealing.failures import Temporary
from sealing.stores.layout import SectorFiles
from sealing.values import SectorId
from tests.devnet.world import World, config_for, running


class Usage(NamedTuple):
    """As shutil gives it."""

    total: int
    used: int
    free: int


def persist(store: Path, sector: SectorId) -> SectorFiles:
    """Put a sector's files into a store."""
    files = SectorFiles.stored(store, sector)
    files.sealed.parent.mkdir(parents=True, exist_ok=True)
    files.cache.mkdir(parents=True)
    files.sealed.write_bytes(b"\1" * 2048)
    for name in ("p_aux", "t_aux", "sc-02-data-tree-r-last.dat"):
        (files.cache / name).write_bytes(b"\1" * 64)
    return files


async def test_a_sector_whose_files_are_there_is_confirmed(world: World, tmp_path: Path) -> None:
    """The sealed file, both aux files and tree-r-last in the named store are what is asked for."""
    sector = await world.allocated()
    persist(tmp_path / "store", sector)
    assert await world.manager.submit_persisted(sector, "store", is_upgrade=False)


@pytest.mark.parametrize("name", ["sealed", "p_aux", "t_aux", "sc-02-data-tree-r-last.dat"])
@pytest.mark.parametrize("damage", ["missing", "empty", "elsewhere"])
async def test_a_missing_file_is_noticed(world: World, tmp_path: Path, name: str, damage: str) -> None:
    """A file that is not there, is empty, or is a link out of the store is not a stored file."""
    sector = await world.allocated()
    files = persist(tmp_path / "store", sector)
    path = files.sealed if name == "sealed" else files.cache / name
    content = path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.touch()
    elif damage == "elsewhere":
        (tmp_path / "outside").write_bytes(content)
        path.symlink_to(tmp_path / "outside")
    assert not await world.manager.submit_persisted(sector, "store", is_upgrade=False)


async def test_a_sealed_file_of_another_size_is_noticed(world: World, tmp_path: Path) -> None:
    """A copy that was cut off is not a stored sector."""
    sector = await world.allocated()
    persist(tmp_path / "store", sector).sealed.write_bytes(b"\1" * 2047)
    assert not await world.manager.submit_persisted(sector, "store", is_upgrade=False)


@pytest.mark.parametrize("name", ["", "other", "../store", "store/../store", "/", "store\0"])
async def test_an_unknown_store_is_said(world: World, tmp_path: Path, name: str) -> None:
    """A name is looked up as it is, so that none leads out of the stores."""
    sector = await world.allocated()
    persist(tmp_path / "store", sector)
    with pytest.raises(Temporary, match="no store named"):
        await world.manager.submit_persisted(sector, name, is_upgrade=False)
    assert await world.manager.store_info(name) is None


async def test_a_store_is_described(world: World, tmp_path: Path) -> None:
    """A known store has its path."""
    info = await world.manager.store_info("store")
    assert info is not None
    assert (info.name, info.path) == ("store", str(tmp_path / "store"))


async def test_space_is_kept_once_for_each_sector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for others is not given again; a repeated call changes nothing; no space is an answer."""
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000, 0, 10_000))
    async with running(config_for(tmp_path / "d", stores={"store": tmp_path / "store"})) as world:
        first, second = await world.allocated(), await world.allocated()
        for _ in range(3):
            assert await world.manager.reserve_space(first, 6000, []) is not None
        assert await world.manager.reserve_space(second, 6000, []) is None
        assert await world.manager.reserve_space(second, 2**64 - 1, []) is None
        assert await world.manager.reserve_space(second, 4000, ["store", "other"]) is not None
        assert await world.manager.reserve_space(second, 4000, ["other"]) is None
        await world.manager.report_aborted(first, "gave up")
        assert await world.manager.reserve_space(second, 9000, []) is not None
        persist(tmp_path / "store", second)
        assert await world.manager.submit_persisted(second, "store", is_upgrade=False)
        assert await world.manager.reserve_space(await world.allocated(), 10_000, []) is not None


async def test_a_sector_stays_in_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The roomiest store is chosen, and kept when asked again even where another has become roomier."""
    free = {"a": 10_000, "b": 20_000}
    for name in free:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free[path.name]))
    async with running(config_for(tmp_path / "d", stores={name: tmp_path / name for name in free})) as world:
        sector = await world.allocated()
        given = await world.manager.reserve_space(sector, 100, [])
        free["a"] = 50_000
        again = await world.manager.reserve_space(sector, 200, [])
        moved = await world.manager.reserve_space(sector, 100, ["a"])
    assert [store and store.name for store in (given, again, moved)] == ["b", "b", "a"]


async def test_a_store_whose_disk_is_away_gets_nothing(world: World, tmp_path: Path) -> None:
    """A folder that has gone since the start has no room."""
    shutil.rmtree(tmp_path / "store")
    assert await world.manager.reserve_space(await world.allocated(), 1, []) is None


async def test_a_store_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """A missing folder may be a disk that is not mounted: it is not made, it is said."""
    with pytest.raises(FileNotFoundError, match="mount its disk"):
        async with running(config_for(tmp_path / "d", stores={"s": tmp_path / "nowhere"})):
            pass
