"""The steps before sealing: which deals a sector has, and their data in the staged file."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from activities.pieces import DealActivities
from sealing.failures import Permanent, Temporary, Wait
from sealing.flow.events import AcquireDeals
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.pieces.cid import commitment_of, piece_cid
from sealing.pieces.commitment import data_commitment, zero_commitment
from sealing.processors.processor import Processor
from sealing.processors.programs import SIMULATED
from sealing.sector import Home, Sector, Settings, Task
from sealing.values import Deal, SectorId
from tests.pieces.adding import DATA, SIZE, Machine, data, filler
from tests.pieces.store import deal_of, piece_store

DEAL = Deal(piece_cid="baga", size=2048, payload_size=2000, deal_id=7)


async def acquire(*found: Deal, **settings: object) -> tuple[AcquireDeals, AsyncMock]:
    """Run the step with a manager that has these deals."""
    manager = AsyncMock(spec=Manager)
    manager.acquire_deals.return_value = found
    sector = Sector(home=Home(worker="w", location="/nowhere"), id=SectorId(miner=1000, number=5), proof_type=5)
    task = Task(sector=sector, settings=Settings.model_validate(settings), state=State.Allocated)
    return await DealActivities(manager).acquire_deals(task), manager.acquire_deals


async def test_without_deals_enabled_nobody_is_asked() -> None:
    """Not even with disable_cc, which says nothing about sectors that are not to have deals."""
    event, asked = await acquire(DEAL, disable_cc=True)
    assert event == AcquireDeals(deals=())
    asked.assert_not_called()


async def test_the_manager_is_told_the_limits() -> None:
    """max_deals and min_deal_space are the manager's to keep."""
    event, asked = await acquire(DEAL, enable_deals=True, max_deals=3, min_deal_space=1024)
    assert event == AcquireDeals(deals=(DEAL,))
    asked.assert_called_once_with(SectorId(miner=1000, number=5), 3, 1024)


async def test_without_a_deal_the_sector_is_empty_or_waits() -> None:
    """disable_cc decides; the wait says why, and is as long as the polling interval."""
    event, _ = await acquire(enable_deals=True)
    assert event == AcquireDeals(deals=())
    with pytest.raises(Wait, match="no deals for s-t01000-5 yet, and disable_cc") as raised:
        await acquire(enable_deals=True, disable_cc=True, rpc_polling_interval="PT7S")
    assert raised.value.delay == 7


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine with the simulated processor, which commits to data as the real one does."""
    behaviour = {"SEALFLOW_SIMULATED": str(tmp_path / "simulated.json")}
    return Machine(tmp_path, Processor("add_pieces", SIMULATED, behaviour))


def simulate(machine: Machine, **wanted: object) -> None:
    """Tell the processor how to do add_pieces."""
    (machine.folder / "simulated.json").write_text(json.dumps({"add_pieces": wanted}))


def starts(machine: Machine) -> int:
    """Return how often the processor has been started, since it was told something."""
    return int(json.loads((machine.folder / "simulated.json.counts").read_text())["add_pieces"])


async def test_a_sector_without_deals_is_zeros(machine: Machine) -> None:
    """One piece as large as the sector."""
    (piece,) = await machine.add()
    assert (piece.size, piece.commitment) == (SIZE, zero_commitment(SIZE).hex())


async def test_pieces_and_fillers_stand_where_the_commitment_reckons_with_them(machine: Machine) -> None:
    """Two deals with zeros between; the pieces' commitments are those of the deals, and nothing of them is left."""
    deals = machine.here(data(100), 128), filler(128), filler(256), machine.here(data(400), 512), filler(1024)
    pieces = await machine.add(*deals)
    assert [piece.size for piece in pieces] == [128, 128, 256, 512, 1024]
    assert [pieces[index].commitment for index in (0, 3)] == [commitment_of(deals[index].piece_cid) for index in (0, 3)]
    assert pieces[1].commitment == zero_commitment(128).hex()
    assert len(machine.staged) == SIZE
    assert machine.staged[:31] == data(31)
    assert machine.staged[512 : 512 + 31] == data(31)
    assert not any(machine.staged[128:512])
    nodes = [(32, machine.staged[at : at + 32]) for at in range(0, SIZE, 32)]
    together = [(piece.size, bytes.fromhex(piece.commitment)) for piece in pieces]
    assert data_commitment(nodes, SIZE) == data_commitment(together, SIZE)
    assert not machine.files.pieces.exists()


async def test_a_deal_that_tells_no_size_of_its_data_has_a_full_piece(machine: Machine) -> None:
    """The data is then as long as the piece."""
    deal = machine.here(data(DATA)).model_copy(update={"payload_size": 0})
    (piece,) = await machine.add(deal)
    assert piece.commitment == commitment_of(deal.piece_cid)


async def test_changed_bytes_are_found_out_and_fetched_again(machine: Machine) -> None:
    """Permanent, with piece, expected and came; put right and resumed, the data is fetched and added anew."""
    deal = machine.here(data(DATA))
    (machine.pieces / deal.piece_cid).write_bytes(data(DATA, seed=2))
    with pytest.raises(Permanent) as raised:
        await machine.add(deal)
    text = str(raised.value)
    assert f"piece 0 of the sector, {deal.piece_cid}" in text
    assert f"the data from {machine.pieces / deal.piece_cid}" in text
    assert f"expected 2048 bytes with commitment {commitment_of(deal.piece_cid)}" in text
    assert f"came {deal_of(data(DATA, seed=2)).piece_cid} of 2048 bytes" in text
    assert not machine.files.pieces.exists()
    machine.here(data(DATA))
    (piece,) = await machine.add(deal)
    assert piece.commitment == commitment_of(deal.piece_cid)


async def test_a_filler_whose_cid_is_not_of_zeros_is_refused(machine: Machine) -> None:
    """Data that the manager takes for a filler would be lost."""
    lost = deal_of(data(DATA)).model_copy(update={"deal_id": 0})
    with pytest.raises(Permanent, match="zeros that fill the sector is not that piece"):
        await machine.add(lost)
    right = Deal(piece_cid=piece_cid(zero_commitment(SIZE).hex()), size=SIZE)
    assert len(await machine.add(right)) == 1


async def test_what_is_staged_is_not_fetched_again(machine: Machine) -> None:
    """The worker that comes back takes the job's output; the piece may be gone from everywhere by then."""
    deal = machine.here(data(DATA))
    simulate(machine)
    first = await machine.add(deal)
    (machine.pieces / deal.piece_cid).unlink()
    assert await machine.add(deal) == first
    assert starts(machine) == 1


async def test_a_job_that_failed_runs_again_on_what_was_fetched(machine: Machine) -> None:
    """The download stays until the staged data is safe."""
    async with piece_store() as store:
        whole = data(DATA)
        deal = deal_of(whole)
        store.pieces[deal.piece_cid] = whole
        there = Machine(machine.folder, machine.program, store.address)
        simulate(there, fail="no luck", times=1)
        with pytest.raises(Temporary, match="no luck"):
            await there.add(deal)
        assert there.files.piece(deal.piece_cid).read_bytes() == whole
        (piece,) = await there.add(deal)
        assert piece.commitment == commitment_of(deal.piece_cid)
        assert (starts(there), len(store.asked)) == (2, 1)
        assert not there.files.pieces.exists()
