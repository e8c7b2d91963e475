"""The sealer's workflow on a real server: from Empty to Finished, and every other way that a step can go."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.flow.state import State
from tests.world.plant import plant, working

pytestmark = pytest.mark.server


async def test_a_sector_goes_from_empty_to_finished(temporal: Client, tmp_path: Path) -> None:
    """Every row of the table in order; the manager is told each state; nothing of the sector stays on the machine."""
    async with plant(temporal, tmp_path) as built, working(built):
        summary = await built.finished()
        assert summary.state is State.Finished
        assert [stay.state for stay in summary.stays] == [
            "Allocated", "DealsAcquired", "PieceAdded", "TreeDBuilt", "TicketAssigned", "PC1Done", "PC2Done",
            "PCSubmitted", "PCLanded", "Persisted", "PersistanceSubmitted", "SeedAssigned", "C1Done", "C2Done",
            "ProofSubmitted",
        ]  # fmt: skip
        assert built.reported() == [stay.state for stay in summary.stays] + ["Finished"]
        assert built.observer.timeline(built.id()).proof_verified
        assert [row.ended for row in built.observer.sectors()] == ["finalized"]
        assert built.left_behind() == []
