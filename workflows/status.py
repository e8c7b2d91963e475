"""What the query ``status`` answers: all that an operator sees of a sector, one model."""

from __future__ import annotations

from datetime import datetime

from sealing.failures import Failure
from sealing.flow.state import State
from sealing.sector import Sector
from sealing.values import Frozen
from workflows.commands import Answer


class Status(Frozen):
    """Where a sector's task stands."""

    flow: str
    state: State
    halted: bool
    """It stands still: parked by a failure, or paused."""
    recovering: bool
    """It waits for recover_interval after a temporary failure."""
    since: datetime
    """When it entered its state."""
    tries: int
    """Which try of the state's step this is, counted from 1."""
    failure: Failure | None
    sector: Sector
    last_command: Answer | None
