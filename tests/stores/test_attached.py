"""Copying a sector into a permanent store: whole files only, repeatable, and a store that is full is waited for."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from sealing.background import LetGo
from sealing.failures import Permanent, Temporary, Wait
from sealing.stores import durable
from sealing.stores.attached import store_sector
from sealing.stores.layout import P_AUX, T_AUX, SectorFiles, persisted, tree_r_last_names

SIZE = 2048


@pytest.fixture
def files(tmp_path: Path) -> SectorFiles:
    """Give a sealed sector."""
    found = SectorFiles(tmp_path / "data", "s-t01000-5")
    for path, content in {
        found.sealed: os.urandom(SIZE),
        found.cache / P_AUX: os.urandom(64),
        found.cache / T_AUX: b"",
        found.cache / tree_r_last_names(SIZE)[0]: os.urandom(300),
        found.cache / "sc-02-data-layer-1.dat": b"not to be kept",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Give an empty store."""
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


async def stored(files: SectorFiles, store: Path, beats: list[dict[str, Any]] | None = None) -> int:
    """Store the sector and return the bytes copied."""
    return await store_sector(files, store, SIZE, on_alive=(beats if beats is not None else []).append, beat=0.01)


def found_in(store: Path) -> dict[str, bytes]:
    """Return every file in the store."""
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


async def test_copies_what_is_kept(files: SectorFiles, store: Path) -> None:
    """The replica, p_aux, t_aux and tree-r-last are in the store, and nothing else, not even a temporary name."""
    assert await stored(files, store) == SIZE + 64 + 300
    wanted = {str(source.relative_to(files.root)) for source, _ in persisted(files, files, SIZE)}
    assert found_in(store) == {name: (files.root / name).read_bytes() for name in wanted}
    assert wanted == {
        "sealed/s-t01000-5",
        "cache/s-t01000-5/p_aux",
        "cache/s-t01000-5/t_aux",
        "cache/s-t01000-5/sc-02-data-tree-r-last.dat",
    }


async def test_whole_files_are_left(files: SectorFiles, store: Path) -> None:
    """What is in the store whole is not copied again; what differs is, be it of the same size."""
    await stored(files, store)
    assert await stored(files, store) == 0
    target = SectorFiles(store, files.name)
    target.sealed.write_bytes(bytes(SIZE))
    (target.cache / P_AUX).write_bytes(b"short")
    (target.cache / T_AUX).unlink()
    assert await stored(files, store) == SIZE + 64
    assert target.sealed.read_bytes() == files.sealed.read_bytes()
    assert (target.cache / T_AUX).exists()


async def test_what_an_attempt_left_is_written_over(files: SectorFiles, store: Path) -> None:
    """Half a copy of an attempt that died is written over and never shown."""
    target = SectorFiles(store, files.name).sealed
    target.parent.mkdir()
    (target.parent / f".{target.name}.part").write_bytes(bytes(3 * SIZE))
    await stored(files, store)
    assert target.read_bytes() == files.sealed.read_bytes()
    assert len(found_in(store)) == 4


async def test_a_missing_file_is_named(files: SectorFiles, store: Path) -> None:
    """A sector that lacks a file is Permanent; nothing is copied."""
    (files.cache / P_AUX).unlink()
    with pytest.raises(Permanent, match=r"cache/s-t01000-5/p_aux; resume to PC1Done"):
        await stored(files, store)
    assert found_in(store) == {}


async def test_a_store_that_is_not_there_is_waited_for(files: SectorFiles, tmp_path: Path) -> None:
    """A store that is not mounted is a wait; no folder is made in its place."""
    with pytest.raises(Wait, match="is not there: mount it"):
        await stored(files, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.ENOSPC, (Wait, "No space left on device; waiting for space")),
        (errno.EDQUOT, (Wait, "waiting for space")),
        (errno.ESTALE, (Wait, "waiting for the store to be back")),
        (errno.EIO, (Temporary, "Input/output error")),
    ],
)
async def test_errors_of_a_store(
    files: SectorFiles, store: Path, monkeypatch: pytest.MonkeyPatch, number: int, failure: tuple[type[Exception], str]
) -> None:
    """A full store, or one that is away, is waited for; another error is tried again."""

    def copy(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(durable, "copy", copy)
    with pytest.raises(failure[0], match=failure[1]) as raised:
        await stored(files, store)
    assert str(store) in str(raised.value)


async def test_cancelled_between_two_chunks(files: SectorFiles, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled copy ends with the chunk, the heartbeats tell how far it is, and the next attempt makes it whole."""
    monkeypatch.setattr(durable, "CHUNK", 64)
    in_copy = durable._copy_chunk
    chunks: list[int] = []

    def slowly(reader: int, writer: int, count: int, offset: int) -> int:
        chunks.append(offset)
        time.sleep(0.02)
        return in_copy(reader, writer, count, offset)

    monkeypatch.setattr(durable, "_copy_chunk", slowly)
    beats: list[dict[str, Any]] = []
    attempt = asyncio.create_task(stored(files, store, beats))
    while not beats or not beats[-1]["bytes"]:  # noqa: ASYNC110 - a thread sets no event here
        await asyncio.sleep(0.01)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert beats[-1]["total"] == SIZE + 64 + 300
    assert not SectorFiles(store, files.name).sealed.exists()
    monkeypatch.undo()
    await stored(files, store)
    assert len(chunks) < SIZE / 64
    assert len(found_in(store)) == 4


def test_copies_where_the_kernel_cannot(files: SectorFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between file systems that cannot copy inside the kernel the bytes go through memory."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert durable.copy(files.sealed, tmp_path / "copy", lambda _: None) == SIZE
    assert (tmp_path / "copy").read_bytes() == files.sealed.read_bytes()


def test_a_copy_can_be_given_up(files: SectorFiles, tmp_path: Path) -> None:
    """What the caller raises between two chunks ends the copy."""

    def gone(_: int) -> None:
        raise LetGo

    with pytest.raises(LetGo):
        durable.copy(files.sealed, tmp_path / "copy", gone)


def test_a_failed_write_leaves_the_file_before(tmp_path: Path) -> None:
    """A replacement that fails leaves the old file, and no temporary one."""
    path = tmp_path / "file"
    durable.write(path, b"old")

    def fails() -> None:
        with durable.replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fails()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
