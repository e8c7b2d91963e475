"""A folder whose disk is not mounted is not taken for an empty one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealing.failures import Permanent, Wait
from sealing.stores import mounts
from sealing.stores.layout import HOLDER, STORE_MARK
from sealing.stores.mounts import Mounts
from tests.world.disks import Disk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Give a folder on which a small disk is mounted."""
    with small_disk(tmp_path / "disk", 64) as found:
        yield found


async def test_a_folder_as_it_was_is_there(tmp_path: Path) -> None:
    """And so is one that nobody has asked to look after."""
    seen = Mounts.remember([tmp_path])
    assert await seen.gone(tmp_path) is None
    assert await seen.gone(tmp_path / "another") is None
    await seen.require(tmp_path)


async def test_a_disk_that_is_unmounted(disk: Disk) -> None:
    """The folder below is empty and can be written: it is gone all the same, until the disk is back."""
    path, store = disk.path, disk.path / "store"
    store.mkdir()
    seen = Mounts.remember([path, store])
    assert await seen.gone(path) is None
    disk.unmount()
    assert await seen.gone(path) == f"{path} is gone: nothing is mounted at {path}; mount its disk"
    assert await seen.gone(store) == f"{store} is not there: mount its disk, or correct its path"
    store.mkdir()
    with pytest.raises(Wait, match=f"nothing is mounted at {path}; mount its disk; waiting for it to be back"):
        await seen.require(store)
    disk.mount()
    store.mkdir()
    assert await seen.gone(store) is None


@pytest.mark.parametrize("mark", [HOLDER, STORE_MARK])
async def test_the_mark_of_a_prepared_folder(tmp_path: Path, mark: str) -> None:
    """Where it was and is not any more, another disk is there, or none."""
    assert await Mounts.remember([tmp_path]).gone(tmp_path) is None
    (tmp_path / mark).touch()
    seen = Mounts.remember([tmp_path])
    (tmp_path / mark).unlink()
    assert f"{tmp_path / mark}, which was there, is not" in str(await seen.gone(tmp_path))


async def test_a_disk_that_was_not_mounted_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's table of disks says that there should be one."""
    fstab = tmp_path / "fstab"
    fstab.write_text(f"# disks\n\nUUID=1 /\nUUID=2 {tmp_path}/my\\040disk ext4 defaults 0 2\nUUID=3 none swap sw\n")
    monkeypatch.setattr(mounts, "FSTAB", fstab)
    folder = tmp_path / "my disk" / "store"
    folder.mkdir(parents=True)
    seen = Mounts.remember([folder, tmp_path])
    assert f"nothing is mounted at {tmp_path}/my disk" in str(await seen.gone(folder))
    assert await seen.gone(tmp_path) is None


async def test_what_fails_as_a_folder_goes_is_a_wait(tmp_path: Path) -> None:
    """Whatever it came to, the disk is what has to come back; a failure on a disk that is there stays one."""
    folder = tmp_path / "store"
    folder.mkdir()
    seen = Mounts.remember([folder])
    with pytest.raises(Permanent, match="it stays"):
        async with seen.on(folder):
            raise Permanent("it stays")

    async def fails() -> None:
        async with seen.on(folder):
            folder.rmdir()
            raise Permanent("the data is not there")

    with pytest.raises(Wait, match="is not there: mount its disk"):
        await fails()


async def test_a_folder_that_hangs_takes_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network store that does not answer is gone after a while; however many ask, one of them looks."""
    seen = Mounts.remember([tmp_path])
    monkeypatch.setattr(mounts, "ANSWERS_WITHIN", 0.05)
    looks, answers = [], threading.Event()

    def hang(_: Path) -> bool:
        looks.append(time.monotonic())
        return answers.wait(30)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "is_mount", hang)
        for _ in range(3):
            assert "does not answer" in str(await seen.gone(tmp_path))
        assert len(looks) == 1
        answers.set()
        await seen._looks[tmp_path]
    assert await seen.gone(tmp_path) is None
