"""What a task takes along when its workflow continues as new."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.sector import Home, Sector, SectorInput, Settings
from sealing.values import SectorId
from workflows.course import Course


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_reset_is_remembered(*, is_reset: bool) -> None:
    """A continued run does not look like one that was reset, and steps still must look before they send."""
    sector = Sector(home=Home(worker="w", location="/l"), id=SectorId(miner=1000, number=1), proof_type=5)
    task = SectorInput(
        flow=SEALER.name, flow_version=SEALER.version, state=State.PC2Done, sector=sector, settings=Settings()
    )
    now = datetime.now(UTC)
    continued = Course(task, now, is_reset=is_reset).continued()
    assert Course(continued, now, is_reset=False).task().reset is is_reset
