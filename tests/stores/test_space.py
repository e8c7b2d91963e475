"""Room for what a stage will write: looked at before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.failures import Wait
from sealing.processors.spec import Start
from sealing.stores import local, space
from sealing.stores.layout import SectorFiles, stage_space

GIB = 1 << 30
START = Start(again=False, check=lambda: None)


def test_what_stages_write() -> None:
    """In the figures that operators plan with: a sector of 32 GiB takes 384 GiB in PC1 alone."""
    assert stage_space("add_pieces", 32 * GIB) == 32 * GIB
    assert stage_space("tree_d", 32 * GIB) == 64 * GIB
    assert stage_space("pc1", 32 * GIB) == 12 * 32 * GIB
    assert stage_space("pc1", 2048) == 3 * 2048
    assert 36 * GIB < stage_space("pc2", 32 * GIB) < 39 * GIB
    assert stage_space("snap_encode", 64 * GIB) == 64 * GIB * 31 // 10
    assert stage_space("c2", 32 * GIB) == 0


def test_a_stage_waits_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is prepared, which may make room, and then looked; layers that are there need no more."""
    files = SectorFiles(tmp_path, "s-t01000-5")
    files.cache.mkdir(parents=True)
    prepared: list[Start] = []
    monkeypatch.setattr(space, "free", lambda _: 3 * 2048 - 1)
    with pytest.raises(Wait) as waits:
        local.prepare_with_room(files, "pc1", 2048, prepared.append, START)
    assert str(waits.value) == (
        f"the disk of {tmp_path} has 6.0 KiB left, too full for pc1, which writes 6.0 KiB; "
        "waiting for space: make room there"
    )
    assert waits.value.delay == space.LOOK_AGAIN
    (files.cache / "sc-02-data-layer-1.dat").write_bytes(bytes(2048))
    local.prepare_with_room(files, "pc1", 2048, prepared.append, START)
    assert prepared == [START, START]
    monkeypatch.setattr(space, "free", lambda _: None)
    local.prepare_with_room(files, "snap_encode", 1 << 60, prepared.append, START)


def test_free_is_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no total tells no rest."""
    left = space.free(tmp_path)
    assert left is not None
    assert left > 0
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"total": 0, "free": 0}))
    assert space.free(tmp_path) is None
