"""Copying a sector into a permanent store: whole files only, repeatable, and a store that is full is waited for."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from sealing.background import LetGo
from sealing.failures import Permanent, Temporary, Wait
from sealing.processors.spec import Start
from sealing.stores import durable, local
from sealing.stores.attached import Transfer, remove_parts, store_sector, transfer_of
from sealing.stores.layout import P_AUX, T_AUX, TREE_D, SectorFiles, part_of, persisted, tree_r_last_names

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
def linked_store(tmp_path: Path) -> Path:
    """Give an empty store on the sector's own file system."""
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture
def store(linked_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty store to which nothing can be linked, as on another file system."""
    monkeypatch.setattr(durable, "hard_link", lambda *_: False)
    return linked_store


async def stored(files: SectorFiles, store: Path, beats: list[dict[str, Any]] | None = None) -> Transfer:
    """Store the sector and return what was done."""
    transfer = transfer_of(files, store, SIZE)
    await store_sector(files, transfer, on_alive=(beats if beats is not None else []).append, beat=0.01)
    return transfer


def is_there(folder: Path) -> bool:
    """Tell whether there is a folder; for tests, which may wait for a disk."""
    return folder.is_dir()


def found_in(store: Path) -> dict[str, bytes]:
    """Return every file in the store."""
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


async def test_copies_what_is_kept(files: SectorFiles, store: Path) -> None:
    """The replica, p_aux, t_aux and tree-r-last are in the store, and nothing else, not even a temporary name."""
    done = await stored(files, store)
    assert (done.copied, done.verified, done.promised) == (SIZE + 64 + 300, SIZE + 64 + 300, 0)
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
    assert (await stored(files, store)).copied == 0
    target = SectorFiles(store, files.name)
    target.sealed.write_bytes(bytes(SIZE))
    (target.cache / P_AUX).write_bytes(b"short")
    (target.cache / T_AUX).unlink()
    assert (await stored(files, store)).copied == SIZE + 64
    assert target.sealed.read_bytes() == files.sealed.read_bytes()
    assert (target.cache / T_AUX).exists()


async def test_what_an_attempt_left_is_written_over(files: SectorFiles, store: Path) -> None:
    """Half a copy of an attempt that died is written over and never shown."""
    target = SectorFiles(store, files.name).sealed
    target.parent.mkdir()
    part_of(target).write_bytes(bytes(3 * SIZE))
    await stored(files, store)
    assert target.read_bytes() == files.sealed.read_bytes()
    assert len(found_in(store)) == 4


async def test_a_missing_file_is_named(files: SectorFiles, store: Path) -> None:
    """A sector that lacks a file is Permanent; nothing is copied."""
    (files.cache / P_AUX).unlink()
    with pytest.raises(Permanent, match=r"cache/s-t01000-5/p_aux; resume to PC1Done"):
        await stored(files, store)
    assert found_in(store) == {}


async def test_a_store_that_is_not_there_is_waited_for(files: SectorFiles, store: Path) -> None:
    """A store whose disk goes before it is written is a wait; no folder is made in its place."""
    transfer = transfer_of(files, store, SIZE)
    durable.remove(store)
    with pytest.raises(Wait, match="is not there: mount it"):
        await store_sector(files, transfer, on_alive=lambda _: None)
    assert not is_there(store)


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

    monkeypatch.setattr(durable, "copy_digested", copy)
    with pytest.raises(failure[0], match=failure[1]) as raised:
        await stored(files, store)
    assert str(store) in str(raised.value)


async def test_cancelled_between_two_chunks(files: SectorFiles, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled copy ends with the chunk, the heartbeats tell how far it is, and the next attempt makes it whole."""
    monkeypatch.setattr(durable, "CHUNK", 64)
    in_copy = durable._write_all
    chunks: list[int] = []

    def slowly(writer: FileIO, chunk: bytes) -> None:
        chunks.append(len(chunk))
        time.sleep(0.02)
        in_copy(writer, chunk)

    monkeypatch.setattr(durable, "_write_all", slowly)
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


async def test_what_the_disk_spoils_is_found_out(
    files: SectorFiles, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is read back: a file whose bytes have changed on the way is not shown, whatever its size."""
    in_copy = durable.copy_digested

    def spoil(source: Path, target: Path, copied: Callable[[int], None]) -> tuple[int, str]:
        came = in_copy(source, target, copied)
        if source == files.sealed:
            target.write_bytes(bytes(SIZE))
        return came

    monkeypatch.setattr(durable, "copy_digested", spoil)
    with pytest.raises(Temporary, match=rf"not what was copied from {files.sealed}.* SHA-256 [0-9a-f]{{64}}, not"):
        await stored(files, store)
    assert not SectorFiles(store, files.name).sealed.exists()


async def test_the_digest_is_told_and_cancelled_while_it_is_made(
    files: SectorFiles, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verifying is a phase of its own, which a cancellation ends like the copy."""
    monkeypatch.setattr(durable, "CHUNK", 64)
    in_digest = durable.digest_on_disk

    def slowly(path: Path, read: Callable[[int], None]) -> tuple[int, str]:
        def slow(count: int) -> None:
            time.sleep(0.02)
            read(count)

        return in_digest(path, slow)

    monkeypatch.setattr(durable, "digest_on_disk", slowly)
    beats: list[dict[str, Any]] = []
    attempt = asyncio.create_task(stored(files, store, beats))
    while not beats or beats[-1]["phase"] != "verifying":  # noqa: ASYNC110 - a thread sets no event here
        await asyncio.sleep(0.01)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert beats[-1]["file"] == str(SectorFiles(store, files.name).sealed)
    assert not SectorFiles(store, files.name).sealed.exists()
    monkeypatch.setattr(durable, "digest_on_disk", in_digest)
    last = persisted(files, files, SIZE)[-1][0]
    assert (await stored(files, store)).sha256 == hashlib.sha256(last.read_bytes()).hexdigest()


async def test_on_one_file_system_files_are_linked(files: SectorFiles, linked_store: Path) -> None:
    """Nothing is copied, a second try does nothing, and the store keeps all when the local files go."""
    kept = files.sealed.read_bytes()
    for _ in range(2):
        assert (await stored(files, linked_store)).copied == 0
    target = SectorFiles(linked_store, files.name)
    assert target.sealed.samefile(files.sealed)
    assert not target.sealed.is_symlink()
    assert len(found_in(linked_store)) == 4
    await local.remove_sector(files)
    assert target.sealed.read_bytes() == kept
    assert len(found_in(linked_store)) == 4


@pytest.mark.parametrize("stage", ["pc1", "pc2"])
async def test_what_is_made_anew_leaves_the_store_alone(files: SectorFiles, linked_store: Path, stage: str) -> None:
    """A sector that is taken back gets new files: those that are linked into the store stay as they were."""
    for path in (files.unsealed, files.prepared / TREE_D):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(SIZE))
    await stored(files, linked_store)
    before = found_in(linked_store)
    start = Start(again=False, check=lambda: None)
    if stage == "pc1":
        local.prepare_pc1(files, files.prepared / TREE_D, start)
    else:
        local.prepare_pc2(files, start)
    files.sealed.write_bytes(b"another replica")
    assert found_in(linked_store) == before


async def test_only_the_sectors_own_unfinished_copies_go(files: SectorFiles, linked_store: Path) -> None:
    """Of the sector and its upgrade; whole files, and all of another sector, stay."""
    own, other = (SectorFiles(linked_store, name) for name in (files.name, "s-t01000-55"))
    whole = [own.sealed, other.sealed, other.cache / P_AUX]
    begun = [part_of(path) for path in (own.sealed, own.update, own.cache / P_AUX, own.update_cache / T_AUX)]
    others = [part_of(other.sealed), part_of(other.cache / P_AUX)]
    for path in (*whole, *begun, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    await remove_parts(files, [linked_store.parent / "nowhere", linked_store])
    assert set(found_in(linked_store)) == {str(path.relative_to(linked_store)) for path in (*whole, *others)}
    assert not own.cache.exists()


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
