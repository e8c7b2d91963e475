"""A text from elsewhere never leads out of the folder that it is to name something in."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activities.exchange import FolderDriver, FolderExchange
from sealing.config.fields import queue_name
from sealing.devnet.piecestore import PieceStore
from sealing.failures import SealingFailure
from sealing.pieces.fetch import PieceSources
from sealing.stores.layout import SectorFiles, quarantine
from sealing.stores.names import NAME_BYTES, UnsafeNameError, part
from sealing.values import Deal, SectorId
from tests.pieces.store import deal_of

CID = deal_of(b"data").piece_cid
BITS = st.sampled_from(["..", ".", "/", "\\", "\0", "\n", "\r", "~", "a", CID, "é", "\ud800", " ", "%2e%2e", "x" * 300])
TEXTS = st.lists(BITS, max_size=5).map("".join) | st.text(max_size=20)
"""What leads elsewhere, if anything does, between other things."""
WRONG = ["", ".", "..", "../x", "/etc/passwd", "a/b", "a/", "x\0", "x\n", "\x7f", "x" * 256, "é" * 128, "\ud800"]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("..")
@example("/etc/passwd")
@example("x" * (NAME_BYTES + 1))
@example("é" * NAME_BYTES)
def test_a_part_is_the_name_of_one_entry(text: str) -> None:
    """What is taken can be made as a file, and that is in the folder itself; all else is refused."""
    with TemporaryDirectory() as name, contextlib.suppress(UnsafeNameError):
        folder = Path(name).resolve()
        path = folder / part(text, "the piece")
        path.touch()
        assert path.resolve().parent == folder
        assert os.listdir(folder) == [text]  # noqa: PTH208 - the very name


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_name_is_refused(text: str, tmp_path: Path) -> None:
    """As a sector's, a piece's, a parcel's and a queue's name, before anything is looked for there."""
    with pytest.raises(UnsafeNameError, match=r"^the sector .{0,200}cannot be a file's name: it "):
        SectorFiles(tmp_path, text)
    with pytest.raises(UnsafeNameError):
        SectorFiles(tmp_path, "s-t01000-1").piece(text)
    with pytest.raises(ValueError, match="is not a piece CID"):
        PieceStore(tmp_path).path(text)
    with pytest.raises(ValueError, match="write a name"):
        queue_name(text)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=200, deadline=None)
@given(TEXTS)
async def test_a_deal_s_piece_is_looked_for_in_its_folders_alone(text: str) -> None:
    """Whatever a manager calls it: nothing is made outside of the sector's folder, and no other file is linked."""
    deal = Deal(piece_cid=text, size=128, payload_size=0, deal_id=1)
    with TemporaryDirectory() as name:
        root = Path(name)
        (root / "secret").write_bytes(bytes(127))
        (root / "pieces").mkdir()
        files = SectorFiles(root / "data", "s-t01000-1")
        sources = PieceSources((root / "pieces",), _Nowhere())  # type: ignore[arg-type] # as far as it is asked
        with contextlib.suppress(SealingFailure):
            await sources.fetch((deal,), files, lambda _: None)
        assert _strays(root) == []


def _strays(root: Path) -> list[Path]:
    """Return what is where nothing should be, and links."""
    found = [path for path in root.rglob("*") if path.is_symlink() or not path.is_relative_to(root / "data")]
    return [path for path in found if path not in {root / "secret", root / "pieces", root / "data"}]


class _Nowhere:
    """A piece store that has nothing."""

    def url_of(self, cid: str) -> str:
        return f"http://nowhere/{cid}"

    async def download(self, wanted: object, on_progress: object) -> None:
        del wanted, on_progress


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_parcel_is_read_in_the_exchange_alone(text: str) -> None:
    """Whatever a history says that it is called, and it ends in a failure of ours."""
    with TemporaryDirectory() as name:
        exchange = Path(name, "exchange")
        exchange.mkdir()
        Path(name, "secret").write_text("secret")
        with pytest.raises((SealingFailure, ValueError)) as refused:
            FolderDriver(exchange)._read(Path(text))
        assert "secret" not in str(refused.value).replace(str(Path(name)), "").replace(text, "")


@pytest.mark.parametrize("namespace", ["..", ".", "../..", "a/b", "x" * 300])
async def test_a_namespace_leads_no_parcel_elsewhere(tmp_path: Path, namespace: str) -> None:
    """A task's end removes its parcels, and what stands beside the exchange stays."""
    (tmp_path / "exchange").mkdir()
    (tmp_path / "s-t01000-1").mkdir()
    with contextlib.suppress(ValueError):
        await FolderExchange(tmp_path / "exchange", namespace).clear(SectorId(miner=1000, number=1))
    assert (tmp_path / "s-t01000-1").is_dir()


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_every_sector_has_its_own_paths(miner: int, number: int) -> None:
    """Of any ids that the wire takes."""
    location, sector = Path("/location"), SectorId(miner=miner, number=number)
    files = SectorFiles.local(location, sector)
    for path in (*files.all(), quarantine(location, sector, "20260101T000000Z")):
        assert path.is_relative_to(location)
        assert ".." not in path.parts
