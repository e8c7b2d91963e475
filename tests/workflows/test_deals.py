"""Deals in the sealer's workflow on a real server: waiting for some, and data that is not what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sealing.devnet.deals import add_deal
from sealing.failures import Level
from sealing.flow.state import State
from sealing.manager.wire import DealPiece
from sealing.values import Deal
from tests.pieces.adding import data
from tests.pieces.store import deal_of
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

ACQUIRE = "Venus.AcquireDeals"
DATA = data(2000)
NO_DEALS: dict[str, Any] = {"result": None}


def deals(*found: Deal) -> dict[str, Any]:
    """Return the manager's answer that gives these deals."""
    return {"result": [DealPiece.of(deal).model_dump(mode="json", by_alias=True) for deal in found]}


def folder_of_pieces(folder: Path) -> str:
    """Return the line of the worker's table that names a folder of pieces."""
    return f'local_pieces_dirs = ["{folder / "pieces"}"]'


async def reaches(built: Plant, state: State) -> None:
    """Wait until the manager was told of a state."""
    await built.until(lambda: state in built.reported(), f"{state}")


async def test_a_sector_waits_for_deals_and_keeps_its_number(temporal: Client, tmp_path: Path) -> None:
    """With disable_cc it stays in Allocated, says why, is paused at once, and goes on when there is a deal."""
    sealing = "enable_deals = true\ndisable_cc = true\nmax_deals = 3\nmin_deal_space = 1024"
    async with plant(temporal, tmp_path, sealing=sealing, worker=folder_of_pieces(tmp_path)) as built:
        (tmp_path / "pieces").mkdir()
        built.proxy.answers[ACQUIRE].extend([NO_DEALS] * 500)
        async with working(built):
            await built.until(lambda: built.proxy.count(ACQUIRE) > 2, "the manager to be asked again")
            status = await built.status()
            length = (await built.sector().describe()).history_length
            assert (status.state, status.halted, status.failure) == (State.Allocated, False, None)
            assert "no deals for " in (status.outage or "")
            asked = built.proxy.count(ACQUIRE)
            await built.until(lambda: built.proxy.count(ACQUIRE) > asked + 1, "the manager to be asked again")
            described = await built.sector().describe()
            assert described.history_length == length
            (waiting,) = described.raw_description.pending_activities
            assert "no deals for " in waiting.last_failure.message
            await built.sector().signal("pause")
            await built.parked()
            await built.sector().signal("resume")
            deal = deal_of(DATA)
            (tmp_path / "pieces" / deal.piece_cid).write_bytes(DATA)
            built.proxy.answers[ACQUIRE].clear()
            built.proxy.answers[ACQUIRE].extend([deals(deal)])
            await reaches(built, State.PieceAdded)
        params = [call[1] for call in built.proxy.calls if call[0] == ACQUIRE]
        assert params[0] == [{"Miner": built.miner, "Number": 1}, {"MaxDeals": 3, "MinUsedSpace": 1024}]
        assert built.proxy.count("Venus.AllocateSector") == 1


async def test_a_sector_with_deals_is_finished(temporal: Client, tmp_path: Path) -> None:
    """Two deals that the manager stores: their data is downloaded, and the chain takes the CommD for theirs."""
    async with plant(temporal, tmp_path, sealing="enable_deals = true", worker=folder_of_pieces(tmp_path)) as built:
        for index, length in enumerate((900, 100)):
            (tmp_path / f"client-{index}").write_bytes(data(length, index))
            add_deal(built.devnet.config, tmp_path / f"client-{index}")
        async with working(built):
            assert (await built.finished()).state is State.Finished
        assert built.left_behind() == []
        assert built.proxy.count(ACQUIRE) == 1


async def test_data_that_is_not_the_deals_parks_the_sector(temporal: Client, tmp_path: Path) -> None:
    """Permanent in DealsAcquired; a resume after the file was put right fetches and adds it again."""
    worker = f'local_pieces_dir = "{tmp_path / "pieces"}"'
    async with plant(temporal, tmp_path, sealing="enable_deals = true", worker=worker) as built:
        deal = deal_of(DATA)
        (tmp_path / "pieces").mkdir()
        (tmp_path / "pieces" / deal.piece_cid).write_bytes(data(2000, seed=2))
        built.proxy.answers[ACQUIRE].append(deals(deal))
        async with working(built):
            status = await built.parked()
            assert status.state is State.DealsAcquired
            assert status.failure is not None
            assert status.failure.level is Level.Permanent
            assert f"{deal.piece_cid}: the data from {tmp_path / 'pieces' / deal.piece_cid}" in status.failure.text
            (tmp_path / "pieces" / deal.piece_cid).write_bytes(DATA)
            await built.sector().signal("resume")
            await reaches(built, State.PieceAdded)
