"""What a stage promises is on the disk before anybody is told: a power cut after it takes nothing that is recorded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealing.background import in_thread
from sealing.processors.processor import Processor
from sealing.processors.programs import SIMULATED
from sealing.processors.spec import Start
from sealing.processors.tasks import SnapEncode
from sealing.stores import durable, local
from sealing.stores.attached import store_sector, transfer_of
from sealing.stores.layout import P_AUX, SectorFiles
from sealing.values import SectorId
from tests.pieces.adding import Machine, data
from tests.stores.sealing import SIZE, Sealing

NO_PROMISE = {"lock", "starting", "storing", "fetching", "log", "log.before"}
"""Names of files that nothing is lost with."""


class Disk:
    """Remembers of each file and folder how old it was when it was last synced by this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look over the shoulder of fsync."""
        self._synced: dict[tuple[int, int], int] = {}
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._noting)

    def _noting(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        self._fsync(descriptor)
        self._synced[found.st_dev, found.st_ino] = found.st_mtime_ns

    def lost(self, folder: Path) -> list[str]:
        """Return what is below a folder and has changed, or has come, since it was synced."""
        paths = [path for path in sorted(folder.rglob("*")) if path.name not in NO_PROMISE and not path.is_symlink()]
        return [str(path.relative_to(folder)) for path in (folder, *paths) if not self._is_safe(path)]

    def _is_safe(self, path: Path) -> bool:
        found = path.stat()
        return self._synced.get((found.st_dev, found.st_ino)) == found.st_mtime_ns


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Give the disk."""
    return Disk(monkeypatch)


@pytest.fixture
def sealing(tmp_path: Path) -> Sealing:
    """Give a sector in a location that is empty."""
    (tmp_path / "location").mkdir()
    return Sealing(SectorFiles.local(tmp_path / "location", SectorId(miner=1000, number=5)), SIMULATED)


async def test_each_stage_of_sealing(sealing: Sealing, tmp_path: Path, disk: Disk) -> None:
    """From the staged data to the files in a store, and the folders that lead to them."""
    location, store = tmp_path / "location", tmp_path / "store"
    store.mkdir()
    sealing.proof += "_Feat_SyntheticPoRep"
    pieces = await sealing.pieces()
    assert disk.lost(location) == []
    labels = await sealing.pc1(pieces)
    assert disk.lost(location) == []
    commitments = await sealing.pc2(labels)
    assert disk.lost(location) == []
    await sealing.synthetic(pieces, commitments)
    assert disk.lost(location) == []
    await sealing.c1(pieces, commitments)
    assert disk.lost(location) == []
    await store_sector(sealing.files, transfer_of(sealing.files, store, SIZE), on_alive=lambda _: None)
    assert disk.lost(store) == []


async def test_a_pc2_that_begins_with_a_new_file(sealing: Sealing, disk: Disk) -> None:
    """The second one finds a replica and no data, so its file is another one than that of before."""
    labels = await sealing.pc1(await sealing.pieces())
    await sealing.pc2(labels)
    sealing.round += 1
    await sealing.pc2(labels)
    assert disk.lost(sealing.files.root) == []


async def test_data_of_a_deal(tmp_path: Path, disk: Disk) -> None:
    """It is staged before the piece that was fetched goes."""
    machine = Machine(tmp_path, Processor("add_pieces", SIMULATED, {"SEALFLOW_SIMULATED": str(tmp_path / "none")}))
    remove, lost = durable.remove, list[list[str]]()

    def noting(path: Path) -> None:
        if path == machine.files.pieces:
            lost.append(disk.lost(machine.files.unsealed.parent))
        remove(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "remove", noting)
        await machine.add(machine.here(data(SIZE // 128 * 127)))
    assert lost == [[]]


async def test_a_tree_that_is_linked(sealing: Sealing, tmp_path: Path, disk: Disk) -> None:
    """Also the ready file itself, which somebody may just have copied."""
    (tmp_path / "ready").write_bytes(b"a tree")
    await in_thread(local.link_tree_d, sealing.files, tmp_path / "ready")
    assert disk.lost(sealing.files.prepared.parent) == []


async def test_an_upgrade(sealing: Sealing, tmp_path: Path, disk: Disk) -> None:
    """The new replica, and the links to the old one, without which it cannot be proved."""
    location, store = tmp_path / "location", tmp_path / "store"
    store.mkdir()
    pieces = await sealing.pieces()
    await sealing.pc2(await sealing.pc1(pieces))
    await store_sector(sealing.files, transfer_of(sealing.files, store, SIZE), on_alive=lambda _: None)
    files, old = sealing.files, SectorFiles(store, sealing.files.name)
    task = SnapEncode(
        registered_proof="StackedDrg2KiBV1",
        new_replica_path=str(files.update),
        new_cache_path=str(files.update_cache),
        sector_path=str(files.sealed),
        sector_cache_path=str(files.cache),
        staged_data_path=str(files.unsealed),
        piece_infos=pieces,
    )

    def prepare(files: SectorFiles, start: Start) -> None:
        local.prepare_snap_encode(files, old, SIZE, start)

    await sealing.run(task, prepare, local.settle_update)
    assert files.sealed.is_symlink()
    assert disk.lost(location) == []
    transfer = transfer_of(files, store, SIZE, is_upgrade=True)
    await store_sector(files, transfer, on_alive=lambda _: None)
    assert disk.lost(store) == []


async def test_what_is_in_the_store_already(sealing: Sealing, tmp_path: Path, disk: Disk) -> None:
    """A file that an attempt has brought and not synced, or an operator, is synced when it is taken for stored."""
    store = tmp_path / "store"
    await sealing.pc2(await sealing.pc1(await sealing.pieces()))
    there = SectorFiles(store, sealing.files.name).cache / P_AUX
    there.parent.mkdir(parents=True)
    there.write_bytes((sealing.files.cache / P_AUX).read_bytes())
    await store_sector(sealing.files, transfer_of(sealing.files, store, SIZE), on_alive=lambda _: None)
    assert disk.lost(there.parent.parent) == []


def test_a_folder_is_there_with_all_above_it(tmp_path: Path, disk: Disk) -> None:
    """Each that was made is known on the disk to the one above it; what was there is left."""
    durable.make_folder(tmp_path / "a" / "b" / "c")
    durable.make_folder(tmp_path / "a" / "b" / "c")
    assert disk.lost(tmp_path) == ["a/b/c"]
