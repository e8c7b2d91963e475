"""Where the data of pieces comes from, with a real server that fails in every way that servers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sealing.failures import Outage, Permanent, Temporary, Wait
from sealing.pieces.download import PieceStore
from sealing.pieces.fetch import PieceSources
from sealing.processors.tasks import unpadded
from sealing.stores.layout import SectorFiles
from sealing.values import Deal, SectorId
from tests.pieces.store import Store, deal_of, piece_store

DATA = bytes(at * at % 251 for at in range(100_000))
DEAL = deal_of(DATA)
CID = DEAL.piece_cid
PATIENCE = 0.5
"""Seconds without a byte until these tests take the store for away."""


@dataclass
class Home:
    """A sector's machine: its folders of local pieces, its files, and what was told while it fetched."""

    store: Store
    files: SectorFiles
    folders: tuple[Path, ...]
    token: str | None = None
    told: list[dict[str, Any]] = field(default_factory=list)

    async def fetch(self, *deals: Deal) -> str:
        """Fetch the data of deals, by default the one; returns where the last came from."""
        sources = PieceSources(self.folders, PieceStore(self.store.address, self.token, PATIENCE))
        return list((await sources.fetch(deals or (DEAL,), self.files, self._tell)).values())[-1]

    def _tell(self, facts: dict[str, Any]) -> None:
        self.told.append(dict(facts))

    @property
    def got(self) -> bytes:
        """The data of the piece as the stage will read it."""
        return self.files.piece(CID).read_bytes()

    @property
    def part(self) -> Path:
        """The file of a download that is not whole."""
        return self.files.pieces / f"{CID}.part"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """Give a machine with two empty folders for pieces, and a piece store that has the piece."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    async with piece_store() as store:
        store.pieces[CID] = DATA
        yield Home(store, SectorFiles.local(tmp_path / "thread", SectorId(miner=1000, number=5)), folders)


async def test_comes_from_the_manager(home: Home) -> None:
    """The piece is asked for by its CID, and nothing but the whole file is left; progress was told."""
    assert await home.fetch() == f"{home.store.address}/piecestore/{CID}"
    assert home.got == DATA
    assert list(home.files.pieces.iterdir()) == [home.files.piece(CID)]
    assert home.told[-1] == {"phase": "fetching", "piece": CID, "bytes": len(DATA), "total": len(DATA)}
    assert "authorization" not in home.store.asked[0]
    assert "range" not in home.store.asked[0]


async def test_is_not_fetched_twice(home: Home) -> None:
    """What is whole already stays; two deals on the same piece have one file."""
    await home.fetch(DEAL, DEAL.model_copy(update={"deal_id": 2}))
    await home.fetch()
    assert len(home.store.asked) == 1


async def test_fillers_and_sectors_without_deals_need_nothing(home: Home) -> None:
    """Zeros come from nowhere."""
    sources = PieceSources((), PieceStore("http://nobody.invalid"))
    assert await sources.fetch((Deal(piece_cid=CID, size=128),), home.files, home._tell) == {}
    assert not home.files.root.exists()


async def test_a_local_file_goes_before_the_manager(home: Home) -> None:
    """The second folder is looked into as well; the file is linked, not copied."""
    local = home.folders[1] / CID
    local.write_bytes(DATA)
    assert await home.fetch() == str(local)
    assert (home.got, home.store.asked) == (DATA, [])
    assert home.files.piece(CID).readlink() == local


async def test_a_local_file_may_be_filled_up_with_zeros(home: Home) -> None:
    """As long as it is not longer than the piece."""
    (home.folders[0] / CID).write_bytes(DATA + bytes(1000))
    assert await home.fetch() == str(home.folders[0] / CID)


@pytest.mark.parametrize("length", [0, len(DATA) - 1, DEAL.size])
async def test_a_local_file_of_another_size_is_passed_over(home: Home, length: int) -> None:
    """It may be one that is still being copied there: the manager is asked."""
    (home.folders[0] / CID).write_bytes(bytes(length))
    assert await home.fetch() == f"{home.store.address}/piecestore/{CID}"
    assert home.got == DATA


async def test_a_local_file_that_is_gone_is_looked_for_again(home: Home) -> None:
    """A link of an earlier try that leads nowhere is no data."""
    (home.folders[0] / CID).write_bytes(DATA)
    await home.fetch()
    (home.folders[0] / CID).unlink()
    await home.fetch()
    assert home.got == DATA
    assert not home.files.piece(CID).is_symlink()


async def test_nowhere_is_permanent_and_names_the_places(home: Home) -> None:
    """Piece, folders and URL are in the text, and what to do."""
    del home.store.pieces[CID]
    (home.folders[1] / CID).write_bytes(b"short")
    with pytest.raises(Permanent, match="is nowhere") as raised:
        await home.fetch()
    text = str(raised.value)
    assert f"{home.folders[0] / CID} is not there" in text
    assert f"{home.folders[1] / CID} has 5 bytes where the deal has {len(DATA)}" in text
    assert f"{home.store.address}/piecestore/{CID} answers HTTP 404" in text
    assert "local_pieces_dirs" in text


async def test_the_token_is_sent(home: Home) -> None:
    """As bearer."""
    home.store.token, home.token = "secret", "secret"
    await home.fetch()
    assert home.got == DATA


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_permanent(home: Home, status: int) -> None:
    """The text names the key, and never the token."""
    home.store.status, home.token = status, "secret"
    with pytest.raises(Permanent, match=rf"HTTP {status}: check sector_manager.piece_token") as raised:
        await home.fetch()
    assert "secret" not in str(raised.value)


async def test_is_sent_on_to_where_the_piece_is_without_the_token(home: Home) -> None:
    """A manager may send the worker on to another host, which is not told the manager's token.

    What it says besides is not read: it has no end here.
    """
    async with piece_store() as other:
        other.pieces[CID] = DATA
        home.store.moved, home.token = other.address, "secret"
        await home.fetch()
        assert home.got == DATA
        assert "authorization" in home.store.asked[0]
        assert "authorization" not in other.asked[0]


async def test_sent_on_and_on_is_permanent(home: Home) -> None:
    """A circle is given up."""
    home.store.moved = home.store.address
    with pytest.raises(Permanent, match="on and on"):
        await home.fetch()


@pytest.mark.parametrize("moved", ["n:x", "mailto:a"])
async def test_sent_on_to_nowhere_is_permanent(home: Home, moved: str) -> None:
    """What is no address is told as such."""
    home.store.moved = moved
    with pytest.raises(Permanent, match="what is no address"):
        await home.fetch()


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
async def test_a_busy_or_broken_server_is_an_outage(home: Home, status: int) -> None:
    """Waiting for it costs no attempt."""
    home.store.status = status
    with pytest.raises(Outage, match=f"{CID}.*HTTP {status}"):
        await home.fetch()


async def test_any_other_refusal_is_permanent(home: Home) -> None:
    """It would be the same the next time."""
    home.store.status = 400
    with pytest.raises(Permanent, match="HTTP 400"):
        await home.fetch()


async def test_nobody_there_is_an_outage(home: Home) -> None:
    """A connection that is refused."""
    home.store.address = "http://127.0.0.1:1"
    with pytest.raises(Outage, match=r"127\.0\.0\.1:1/piecestore"):
        await home.fetch()


async def test_a_slow_server_is_waited_for(home: Home) -> None:
    """As long as bytes come, however few."""
    home.store.pieces[CID] = DATA
    home.store.pause = PATIENCE / 50
    await home.fetch()
    assert home.got == DATA


async def test_a_server_that_falls_silent_is_an_outage(home: Home) -> None:
    """What has come stays."""
    home.store.pause = 3 * PATIENCE
    with pytest.raises(Outage, match=r"no byte within 0\.5 s"):
        await home.fetch()


async def test_goes_on_where_it_broke_off(home: Home) -> None:
    """Temporary each time; each next try asks only for what is missing, and the whole is right."""
    home.store.cuts = [30_000, 50_000]
    for came in (30_000, 80_000):
        with pytest.raises(Temporary, match=rf"{CID}.*broke off after {came} of 100000 bytes .*; it goes on"):
            await home.fetch()
        assert home.part.stat().st_size == came
        assert not home.files.piece(CID).exists()
    await home.fetch()
    assert home.got == DATA
    assert [asked.get("range") for asked in home.store.asked] == [None, "bytes=30000-", "bytes=80000-"]


async def test_starts_over_where_the_server_cannot_go_on(home: Home) -> None:
    """A server that gives all again is taken at its word."""
    home.store.cuts, home.store.ranges = [30_000], False
    with pytest.raises(Temporary, match="broke off after 30000"):
        await home.fetch()
    await home.fetch()
    assert home.got == DATA
    assert home.store.asked[1]["range"] == "bytes=30000-"


async def test_another_range_than_was_asked_for_starts_over(home: Home) -> None:
    """Bytes at the wrong place would spoil the piece."""
    home.store.cuts, home.store.shift = [30_000], 10
    with pytest.raises(Temporary, match="broke off"):
        await home.fetch()
    with pytest.raises(Temporary, match="another range"):
        await home.fetch()
    await home.fetch()
    assert home.got == DATA


@pytest.mark.parametrize(
    "claims", [f"bytes {'9' * 5000}-{'9' * 5000}/*", "bytes 3000", "bytes \xb2-5/9", "lines 1-2/3"]
)
async def test_a_range_that_is_none_starts_over(home: Home, claims: str) -> None:
    """Nor would bytes whose place is no number, or one that is longer than Python reads."""
    home.store.cuts, home.store.claims = [30_000], claims
    with pytest.raises(Temporary, match="broke off"):
        await home.fetch()
    with pytest.raises(Temporary, match="another range"):
        await home.fetch()


async def test_a_length_that_is_none_is_not_believed(home: Home) -> None:
    """A total that nobody can read says as little as none: the data is counted."""
    home.store.cuts, home.store.claims = [30_000], f"bytes 30000-99999/{'9' * 5000}"
    with pytest.raises(Temporary, match="broke off"):
        await home.fetch()
    await home.fetch()
    assert home.got == DATA


async def test_an_end_without_a_told_length_is_a_break(home: Home) -> None:
    """Without a length nobody knows; the next try learns that there is no more."""
    home.store.pieces[CID], home.store.lengths = DATA[:-1], False
    with pytest.raises(Temporary, match="broke off after 99999"):
        await home.fetch()
    with pytest.raises(Permanent, match="has no more than 99999 bytes where the deal has 100000"):
        await home.fetch()
    assert home.part.stat().st_size == 0


@pytest.mark.parametrize("length", [unpadded(DEAL.size) + 1, 3 * len(DATA)])
async def test_too_much_data_is_permanent(home: Home, length: int) -> None:
    """More than the piece could hold: nothing of it is kept."""
    home.store.pieces[CID] = bytes(length)
    with pytest.raises(Permanent, match=rf"it has {length} bytes where the deal has 100000"):
        await home.fetch()
    assert home.part.stat().st_size == 0


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize("more", [1, unpadded(DEAL.size) - len(DATA)])
async def test_of_a_piece_that_is_filled_up_only_the_data_is_taken(home: Home, more: int, *, lengths: bool) -> None:
    """Also where it broke off before."""
    home.store.pieces[CID], home.store.lengths, home.store.cuts = DATA + bytes(more), lengths, [30_000]
    with pytest.raises(Temporary, match="broke off after 30000"):
        await home.fetch()
    await home.fetch()
    assert home.got == DATA


async def test_deals_on_one_piece_may_differ_in_zeros_at_the_end(home: Home) -> None:
    """They have the same CID: the data of the longest is fetched."""
    longer = DEAL.model_copy(update={"payload_size": len(DATA) + 5})
    home.store.pieces[CID] = DATA + bytes(5)
    await home.fetch(DEAL, longer, DEAL)
    assert home.got == DATA + bytes(5)


async def test_too_little_data_is_permanent(home: Home) -> None:
    """The answer is whole, and not as long as the deal says."""
    home.store.pieces[CID] = DATA[:-1]
    with pytest.raises(Permanent, match="it has 99999 bytes where the deal has 100000"):
        await home.fetch()


async def test_a_part_that_is_whole_needs_no_server(home: Home) -> None:
    """The worker died between the last byte and the file's name."""
    home.files.pieces.mkdir(parents=True)
    home.part.write_bytes(DATA)
    await home.fetch()
    assert (home.got, home.store.asked) == (DATA, [])


async def test_a_full_disk_is_waited_for(home: Home) -> None:
    """The disk is named."""
    home.files.pieces.mkdir(parents=True)
    home.part.symlink_to("/dev/full")
    with pytest.raises(
        Wait,
        match=rf"the disk of {home.files.pieces} is full \(No space left on device\); waiting for space: make room",
    ):
        await home.fetch()


async def test_cancelled_it_lets_go_and_another_goes_on(home: Home) -> None:
    """One attempt fetches at a time; what the one that was given up has written is used."""
    home.store.pause = 0.01
    first = asyncio.create_task(home.fetch())
    while not home.store.asked:  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.01)
    second = asyncio.create_task(home.fetch())
    await asyncio.sleep(0.1)
    assert len(home.store.asked) == 1
    first.cancel()
    home.store.pause = 0
    await second
    assert home.got == DATA


async def test_a_name_that_is_no_cid_is_refused(home: Home) -> None:
    """It would become a path: nothing is looked for under it."""
    for name in ("../../etc/passwd", CID[:-1], "", "bafy" + CID[4:]):
        with pytest.raises(Permanent, match="names its piece wrongly"):
            await home.fetch(DEAL.model_copy(update={"piece_cid": name}))
    assert home.store.asked == []
