"""What the query ``status`` answers: all that an operator sees of a sector, one model."""

from __future__ import annotations

from datetime import datetime

from sealing.failures import Failure
from sealing.flow.state import State
from sealing.metrics.definitions import PARKING_LEVELS
from sealing.sector import Sector, Stay
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
    max_tries: int
    """After how many tries a temporary failure becomes permanent."""
    next_try: datetime | None
    """When it runs again by itself, while it recovers, or sends again what failed on chain."""
    failure: Failure | None
    """What the last try ended in, until the state is left or resumed."""
    outage: str | None
    """Why the step waits for the manager, while that is away."""
    sector: Sector
    last_command: Answer | None
    resumable: tuple[State, ...]
    """The states that a resume may name now."""
    stays: tuple[Stay, ...]
    """The stays in earlier states, the oldest first."""
    ticket_expires: datetime | None = None
    """Until when the ticket is worth computing on; None: there is none, or a pre-commit with it was sent."""
    tickets_expired: int = 0
    """How often a ticket expired so far, in the stays that are kept."""

    def stay_at(self, now: datetime) -> Stay:
        """Return the stay that has not ended yet, as it is at a time: a workflow must not look at a clock."""
        return Stay(
            state=self.state,
            entered=self.since,
            seconds=(now - self.since).total_seconds(),
            tries=self.tries,
            failure=self.failure.text if self.failure else "",
        )

    @property
    def standing(self) -> str:
        """How it stands, in a few words: parked, paused, recovers, waits for something, runs, or its end."""
        if self.state in {State.Finished, State.Aborted}:
            return "ended"
        if self.halted:
            return "parked" if self.failure and self.failure.level in PARKING_LEVELS else "paused"
        if self.recovering:
            return "recovers"
        if self.next_try:
            return "waits to send again"
        return "waits for the manager" if self.outage else "runs"
