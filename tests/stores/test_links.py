"""Links that somebody has planted in a store lead nothing out of it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from sealing.failures import Permanent
from sealing.stores.attached import remove_parts, store_sector, transfer_of
from sealing.stores.choice import candidate
from sealing.stores.durable import copy_digested
from sealing.stores.layout import P_AUX, SectorFiles, part_of
from tests.devnet.world import config_for, running
from tests.stores.test_attached import SIZE, files, linked_store, store, stored  # noqa: F401 - fixtures

PRECIOUS = b"somebody's own"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Give a file that nobody may touch."""
    file = tmp_path / "precious"
    file.write_bytes(PRECIOUS)
    return file


def content(file: Path) -> bytes:
    """Return what a file holds."""
    return file.read_bytes()


@pytest.mark.parametrize("kind", ["the copy", "the file"])
async def test_a_planted_link_gives_way(files: SectorFiles, store: Path, precious: Path, kind: str) -> None:  # noqa: F811
    """In the place of a copy under way, or of the file itself: the link goes, and what it led to stays as it was."""
    target = SectorFiles(store, files.name).sealed
    target.parent.mkdir()
    (part_of(target) if kind == "the copy" else target).symlink_to(precious)
    await stored(files, store)
    assert not target.is_symlink()
    assert (target.read_bytes(), content(precious)) == (files.sealed.read_bytes(), PRECIOUS)


async def test_a_link_to_the_same_content_is_no_copy(files: SectorFiles, store: Path, tmp_path: Path) -> None:  # noqa: F811
    """It is not counted as stored: what it leads to is not the store's."""
    target, elsewhere = SectorFiles(store, files.name).sealed, tmp_path / "elsewhere"
    elsewhere.write_bytes(files.sealed.read_bytes())
    target.parent.mkdir()
    target.symlink_to(elsewhere)
    assert candidate("store", transfer_of(files, store, SIZE), 1, 0).missing is None
    await stored(files, store)
    assert not target.is_symlink()


async def test_a_sector_s_folder_is_never_a_link(files: SectorFiles, store: Path, tmp_path: Path) -> None:  # noqa: F811
    """Where its folder leads elsewhere nothing is written, compared or removed there, and the sector parks."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    theirs = {elsewhere / P_AUX: b"theirs", elsewhere / ".theirs.part": b"theirs"}
    for path, content in theirs.items():
        path.write_bytes(content)
    folder = SectorFiles(store, files.name).cache
    folder.parent.mkdir(parents=True)
    folder.symlink_to(elsewhere)
    with pytest.raises(Permanent, match=r"is a link, where the sector's folder in its store should be: remove it"):
        await store_sector(files, transfer_of(files, store, SIZE), on_alive=lambda _: None)
    await remove_parts(files, [store])
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == theirs


async def test_the_folders_of_all_sectors_may_be_links(files: SectorFiles, store: Path, tmp_path: Path) -> None:  # noqa: F811
    """That is how a store's owner lays it out over disks."""
    (tmp_path / "big").mkdir()
    (store / "cache").symlink_to(tmp_path / "big")
    await stored(files, store)
    assert (tmp_path / "big" / files.name / P_AUX).read_bytes() == (files.cache / P_AUX).read_bytes()


def test_nothing_is_copied_over_what_is_there(tmp_path: Path, precious: Path) -> None:
    """Neither over a file nor through a link, also one that leads nowhere."""
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link").symlink_to(precious)
    for target in (precious, tmp_path / "dangling", tmp_path / "link"):
        with pytest.raises(FileExistsError):
            copy_digested(tmp_path / "source", target, lambda _: None)
    assert precious.read_bytes() == PRECIOUS
    assert not (tmp_path / "nowhere").exists()


async def test_the_embedded_manager_serves_no_link(tmp_path: Path, precious: Path) -> None:
    """A link among its pieces is no piece: it would serve any file that its user can read."""
    cid = "baga6ea4seaqao7s73y24kcutaosvacpdjgfe5pw76ooefnyqw4ynr3d2y6x2mpq"
    config = config_for(tmp_path / "devnet")
    pieces = config.data / "pieces"
    pieces.mkdir(parents=True)
    (pieces / cid).symlink_to(precious)
    async with running(config) as world, httpx.AsyncClient() as http:
        answer = await http.get(f"{world.server.address}/piecestore/{cid}")
    assert (answer.status_code, PRECIOUS.decode() in answer.text) == (404, False)
