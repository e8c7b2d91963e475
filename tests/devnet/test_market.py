"""Deals: who gets them, how they lie in a sector, when they are free again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.devnet import market
from sealing.devnet.database import connect, transaction
from sealing.devnet.queries import order_end
from sealing.failures import Abort
from sealing.manager.wire import AcquireDealsSpec, SubmitRes
from sealing.pieces.cid import commitment_of, piece_cid
from sealing.pieces.commitment import zero_commitment
from sealing.values import Deal
from tests.devnet.market import comm_d, deal, deals, finished, prove, states
from tests.devnet.world import COMM_D, COMM_R, World, config_for, running


def shape(pieces: tuple[Deal, ...]) -> list[tuple[int, int]]:
    """Return size and deal of each piece, 0 for a filler."""
    return [(piece.size, piece.deal_id) for piece in pieces]


async def test_deals_lie_in_order_each_at_a_multiple_of_its_size(world: World) -> None:
    """Fillers of zeros stand wherever no deal's piece is, so that the pieces fill the sector."""
    made = deals(world, 100, 500, 127)
    sector = await world.allocated()
    pieces = await world.manager.acquire_deals(sector, None, None)
    assert shape(pieces) == [(128, 1), (128, 0), (256, 0), (512, 2), (128, 3), (128, 0), (256, 0), (512, 0)]
    assert [piece.piece_cid for piece in pieces if piece.deal_id] == [deal.piece_cid for deal in made]
    assert [piece.payload_size for piece in pieces if piece.deal_id] == [100, 500, 127]
    for piece in pieces:
        if not piece.deal_id:
            assert (piece.piece_cid, piece.payload_size) == (piece_cid(zero_commitment(piece.size).hex()), 0)
    assert states(world) == [("given", str(sector))] * 3


async def test_the_same_call_again_gives_the_same_deals(world: World) -> None:
    """A lost answer, or a task that begins again, costs no deals, whatever has come or is wanted since."""
    deals(world, 100, 100)
    sector = await world.allocated()
    pieces = await world.manager.acquire_deals(sector, 1, None)
    deal(world, b"later")
    assert await world.manager.acquire_deals(sector, 1, None) == pieces
    assert await world.manager.acquire_deals(sector, None, 2048) == pieces
    assert [state for state, _ in states(world)] == ["given", "free", "free"]


async def test_no_deal_is_given_twice(world: World) -> None:
    """Sectors that ask at the same time share out what is there."""
    deals(world, *[500] * 10)
    sectors = [await world.allocated() for _ in range(5)]
    answers = await asyncio.gather(*(world.manager.acquire_deals(sector, 3, None) for sector in sectors))
    given = [piece.deal_id for pieces in answers for piece in pieces if piece.deal_id]
    assert sorted(given) == list(range(1, 11))


@pytest.mark.parametrize(
    ("most", "least", "got"),
    [
        (None, None, [1, 2, 3]),
        (2, None, [1, 2]),
        (0, None, []),
        (None, 128 + 256 + 512, [1, 2, 3]),
        (None, 128 + 256 + 512 + 1, []),
        (2, 512, []),
        (None, 2**64 - 1, []),
    ],
)
async def test_what_is_wanted_is_held_to(world: World, most: int | None, least: int | None, got: list[int]) -> None:
    """No more deals than max_deals, and none at all where they fill less than is wanted; then they stay free."""
    deals(world, 100, 200, 500)
    pieces = await world.manager.acquire_deals(await world.allocated(), most, least)
    assert [piece.deal_id for piece in pieces if piece.deal_id] == got
    assert [state for state, _ in states(world)].count("free") == 3 - len(got)


async def test_a_deal_that_does_not_fit_waits(world: World) -> None:
    """A later deal that fits goes first; the other goes into the next sector."""
    deals(world, 1000, 2000, 1000)
    first, second = await world.allocated(), await world.allocated()
    assert shape(await world.manager.acquire_deals(first, None, None)) == [(1024, 1), (1024, 3)]
    assert shape(await world.manager.acquire_deals(second, None, None)) == [(2048, 2)]
    assert await world.manager.acquire_deals(await world.allocated(), None, None) == ()


async def test_an_aborted_task_frees_its_deals(world: World) -> None:
    """They go to the next sector that asks, however the task was ended."""
    deals(world, 100)
    first, second, third = [await world.allocated() for _ in range(3)]
    await world.manager.acquire_deals(first, None, None)
    await world.manager.report_aborted(first, "gave up")
    assert states(world) == [("free", None)]
    assert shape(await world.manager.acquire_deals(second, None, None))[0] == (128, 1)
    await world.manager.report_aborted(first, "gave up")
    assert states(world) == [("given", str(second))]
    order_end(world.server.config.data, second, "not needed")
    assert shape(await world.manager.acquire_deals(third, None, None))[0] == (128, 1)
    with pytest.raises(Abort):
        await world.manager.acquire_deals(second, None, None)


async def test_deals_become_active_when_the_proof_lands(world: World) -> None:
    """From the proof's submission they stay with the sector, also where its task is given up."""
    deals(world, 100)
    sector = await world.allocated()
    pieces = await world.manager.acquire_deals(sector, None, None)
    assert await prove(world, sector, comm_d(pieces)) is SubmitRes.Accepted
    assert states(world) == [("given", str(sector))]
    world.pass_epochs(world.server.config.landed_after)
    assert states(world) == [("active", str(sector))]
    await world.manager.report_aborted(sector, "too late")
    assert states(world) == [("active", str(sector))]


async def test_a_precommits_commd_must_be_that_of_the_deals(world: World) -> None:
    """Neither the zeros' nor the same pieces' in another order is taken."""
    deals(world, 100, 90)
    sector = await world.allocated()
    pieces = await world.manager.acquire_deals(sector, None, None)
    swapped = (pieces[1], pieces[0], *pieces[2:])
    ticket = await world.manager.assign_ticket(sector)
    for wrong in (COMM_D, comm_d(swapped)):
        answer = await world.manager.submit_precommit(sector, 5, COMM_R, wrong, ticket, reset=False)
        assert (answer.res, answer.desc[:6]) == (SubmitRes.Rejected, "CommD ")
        assert comm_d(pieces) in answer.desc
    assert await prove(world, sector, comm_d(pieces)) is SubmitRes.Accepted


async def test_a_sector_that_was_precommitted_empty_gets_no_deals(world: World) -> None:
    """Deals that come later would not be in its CommD."""
    sector = await world.allocated()
    assert await prove(world, sector) is SubmitRes.Accepted
    deals(world, 100)
    assert await world.manager.acquire_deals(sector, None, None) == ()
    assert states(world) == [("free", None)]


async def test_deals_outlive_a_restart(tmp_path: Path) -> None:
    """What was given stays given."""
    async with running(config_for(tmp_path / "devnet")) as world:
        deals(world, 100, 100)
        sector = await world.allocated()
        pieces = await world.manager.acquire_deals(sector, 1, None)
    async with running(config_for(tmp_path / "devnet"), world.clock) as world:
        assert await world.manager.acquire_deals(sector, None, None) == pieces
        assert [state for state, _ in states(world)] == ["given", "free"]


async def test_a_database_of_the_version_before_goes_on(tmp_path: Path) -> None:
    """Its sectors stay, and deals can be made for them; one of a later version is refused."""
    (tmp_path / "store").mkdir()
    config = config_for(tmp_path / "devnet", stores={"store": tmp_path / "store"})
    async with running(config) as world:
        sector = await finished(world)
    with closing(sqlite3.connect(tmp_path / "devnet" / "devnet.sqlite")) as link:
        link.executescript("DROP TABLE fault_uses; DROP TABLE faults; ALTER TABLE messages DROP COLUMN failed")
        link.executescript("DROP TABLE deals; DROP TABLE upgrades; PRAGMA user_version = 1")
    async with running(config, world.clock) as world:
        deals(world, 100)
        given = await world.manager.allocate_snapup([], [], None, None)
        assert given is not None
        assert given.id == sector
    with closing(sqlite3.connect(tmp_path / "devnet" / "devnet.sqlite")) as link:
        link.execute("PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match="its version is 99"):
        connect(tmp_path / "devnet")


SIZES = st.sampled_from([128, 256, 512, 1024, 2048, 4096])
WANTED = st.none() | st.integers(0, 2**64 - 1) | st.sampled_from([1, 2, 512, 2048])


@given(st.lists(SIZES, max_size=12), WANTED, WANTED)
def test_pieces_always_fill_a_sector_exactly(sizes: list[int], most: int | None, least: int | None) -> None:
    """Whatever deals there are: aligned, in order, without a gap, as many as wanted, and CommD can be computed."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as link:
        link.row_factory = sqlite3.Row
        link.execute("CREATE TABLE deals (id INTEGER PRIMARY KEY, miner, piece_cid, size, payload_size, sector, place)")
        for size in sizes:
            row = (1000, piece_cid(bytes([len(sizes)]).hex() * 31 + "00"), size, 1)
            link.execute("INSERT INTO deals (miner, piece_cid, size, payload_size) VALUES (?, ?, ?, ?)", row)
        with transaction(link) as tx:
            spec = AcquireDealsSpec(max_deals=most, min_used_space=least)
            pieces = market.give(tx, "s", 1000, 2048, spec)
            assert market.pieces(tx, "s", 2048) == pieces
    if not pieces:
        assert market.comm_d(pieces, 2048) == COMM_D
        return
    taken, end = [piece for piece in pieces if piece.deal_id], 0
    for piece in pieces:
        assert end % piece.size == 0
        assert piece.deal_id or commitment_of(piece.piece_cid) == zero_commitment(piece.size).hex()
        end += piece.size
    assert end == 2048
    assert [piece.deal_id for piece in taken] == sorted(piece.deal_id for piece in taken)
    assert [piece.size for piece in taken] == [sizes[piece.deal_id - 1] for piece in taken]
    assert most is None or len(taken) <= most
    assert sum(piece.size for piece in taken) >= (least or 0)
    assert market.comm_d(pieces, 2048) != COMM_D
