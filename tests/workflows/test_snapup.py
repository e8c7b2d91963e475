"""Upgrades on a real server with a real manager: a finished sector comes to hold a client's data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.failures import Level
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.stores.layout import SectorFiles
from tests.workflows.histories import assert_within, keep
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

ROWS = [state.value for state in SNAPUP.rows if state is not State.Empty]
CONTENT = b"what a client wants to have back " * 40


@asynccontextmanager
async def upgradable(client: Client, folder: Path, **more: Any) -> AsyncIterator[Plant]:
    """Give a plant with one finished sector and one deal, whose worker will upgrade; no worker runs."""
    async with plant(client, folder, **more) as built:
        async with working(built):
            await built.finished()
        built.plan("snapup")
        built.deal(CONTENT)
        yield built


def stored(built: Plant) -> SectorFiles:
    """Return the sector's files in the store."""
    return SectorFiles.stored(built.folder / "store", built.id())


async def test_a_finished_sector_is_upgraded(temporal: Client, tmp_path: Path) -> None:
    """Every row in order; the new replica is in the store beside the old one; nothing stays on the machine.

    Its history is some 56 events and 24 KB.
    """
    async with upgradable(temporal, tmp_path) as built:
        old = stored(built).sealed.read_bytes()
        async with working(built):
            summary = await built.finished()
            assert [stay.state for stay in summary.stays] == ROWS
            assert stored(built).sealed.read_bytes() == old, "the data cannot be read back without the old replica"
            assert stored(built).update.is_file()
            assert (stored(built).update_cache / "p_aux").is_file()
            assert built.left_behind() == []
            assert built.proxy.count("Venus.SubmitSnapUpProof") == 1
            await keep(built.sector(), "snapup-finished")
            await assert_within(built.sector(), events=75, size=32_000)


async def test_files_that_the_manager_misses_are_stored_again(temporal: Client, tmp_path: Path) -> None:
    """FilesMissed twice, then accepted: RePersist leads back, after a pause; the proof is not made again."""
    async with upgradable(temporal, tmp_path) as built:
        missed = {"result": {"Res": 5, "Desc": "update of the sector is not in the store"}}
        built.proxy.answers["Venus.SubmitSnapUpProof"] += [missed, missed]
        async with working(built):
            summary = await built.finished()
            states = [stay.state for stay in summary.stays]
            assert states[4:] == ["SnapProved", "Persisted"] * 3
            assert states.count(State.SnapEncoded) == 1
            refused = [stay for stay in summary.stays if stay.left_by == "RePersist"]
            assert all(stay.seconds >= 0.05 for stay in refused), "not at once: nothing else would hold a loop of it"
            await keep(built.sector(), "snapup-stored-again")


@pytest.mark.parametrize(("res", "name"), [(3, "MismatchedSubmission"), (4, "Rejected")])
async def test_what_the_manager_refuses_aborts(temporal: Client, tmp_path: Path, res: int, name: str) -> None:
    """The task ends with the reason, the manager is told, the finished sector and its files stay as they are."""
    async with upgradable(temporal, tmp_path) as built:
        built.proxy.answers["Venus.SubmitSnapUpProof"].append({"result": {"Res": res, "Desc": "no"}})
        old = stored(built).sealed.read_bytes()
        async with working(built):
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert isinstance(ended.value.cause, ApplicationError)
            assert f"SubmitSnapUpProof: {name}: no" in ended.value.cause.message
            assert built.proxy.count("Venus.ReportAborted") == 1
            assert stored(built).sealed.read_bytes() == old
            assert built.left_behind() == []


@pytest.mark.parametrize(
    ("part", "why"), [("Pieces", "there are no pieces for the upgrade"), ("Private", "no store is named")]
)
async def test_an_allocation_that_cannot_be_is_given_back(
    temporal: Client, tmp_path: Path, part: str, why: str
) -> None:
    """Without pieces, or without the store that holds the replica: the sector is given back with the reason."""
    async with plant(temporal, tmp_path, sectors=0) as built:
        built.plan("snapup")
        given = {
            "Sector": {"ID": {"Miner": built.miner, "Number": 1}, "ProofType": 5},
            "Pieces": [
                {
                    "Piece": {"Size": 2048, "PieceCID": {"/": built.deal(CONTENT).piece_cid}},
                    "DealInfo": {"DealID": 1, "AllocationID": 0, "PayloadSize": 5, "IsBuiltinMarket": True},
                }
            ],
            "Public": {"CommR": [1] * 32},
            "Private": {"AccessInstance": "store"},
        }
        broken = {**given, part: [] if part == "Pieces" else {"AccessInstance": ""}}
        built.proxy.answers["Venus.AllocateSanpUpSector"].append({"result": broken})
        async with working(built):
            await built.until(lambda: built.proxy.count("Venus.ReportAborted") == 1, "the sector to be given back")
            (params,) = [params for name, params in built.proxy.calls if name == "Venus.ReportAborted"]
            assert why in params[1]


async def test_a_store_that_is_not_attached_parks(temporal: Client, tmp_path: Path) -> None:
    """The old replica is in a store that this machine has not: parked, with its name; attached, the sector goes on."""
    async with upgradable(temporal, tmp_path) as built:
        text = built.file.read_text()
        built.file.write_text(text.replace('name = "store"', 'name = "other"'))
        async with working(built):
            status = await built.parked()
            assert (status.state, status.failure and status.failure.level) == (State.TreeDBuilt, Level.Permanent)
            assert "in store store, which is not attached here (other)" in (
                status.failure.text if status.failure else ""
            )
        built.file.write_text(text)
        async with working(built):
            await built.sector().signal("resume")
            await built.finished()
