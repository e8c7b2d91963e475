"""The embedded chain: a clock that counts epochs, and randomness that follows from a secret and an epoch.

Nothing moves by itself: what has happened follows from the clock and from the epochs that are stored with a message.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from sealing.devnet.config import DevnetConfig
from sealing.failures import TICKET_EXPIRED
from sealing.values import Hex32, Seed, Ticket

Clock = Callable[[], float]
"""Gives the time in seconds since 1970."""

EPOCHS_BEFORE = 100
"""Epochs by which a new chain is older than the ticket lookback."""
FIELD_MASK = 0x3F
"""Clears the two top bits of the last byte, so that 32 bytes are an element of the field that the proofs use."""


def genesis_for(config: DevnetConfig, now: float) -> float:
    """Return when a chain that is made ``now`` began: so long ago that tickets can be drawn at once."""
    return now - (config.ticket_lookback + EPOCHS_BEFORE) * config.epoch_seconds


@dataclass(frozen=True)
class Chain:
    """A chain that began at ``genesis``, in seconds since 1970."""

    config: DevnetConfig
    genesis: float
    secret: bytes
    clock: Clock

    def head(self) -> int:
        """Return the epoch of now."""
        return math.floor((self.clock() - self.genesis) / self.config.epoch_seconds)

    def time_of(self, epoch: int) -> float:
        """Return when ``epoch`` begins, in seconds since 1970."""
        return self.genesis + epoch * self.config.epoch_seconds

    def seconds_until(self, epoch: int) -> int:
        """Return the whole seconds after which ``epoch`` has begun, 0 where it has."""
        return max(0, math.ceil(self.time_of(epoch) - self.clock()))

    def until_next(self) -> float:
        """Return the seconds until the next epoch begins."""
        return self.time_of(self.head() + 1) - self.clock()

    def draw_ticket(self) -> Ticket:
        """Return the ticket of now."""
        epoch = max(0, self.head() - self.config.ticket_lookback)
        return Ticket(ticket=self.ticket_at(epoch), epoch=epoch)

    def ticket_at(self, epoch: int) -> Hex32:
        """Return the ticket of an epoch."""
        return self._randomness(b"ticket", epoch)

    def seed_at(self, epoch: int) -> Seed:
        """Return the seed of an epoch, which the caller has found to be reached."""
        return Seed(seed=self._randomness(b"seed", epoch), epoch=epoch)

    def ticket_problem(self, ticket: Ticket) -> str | None:
        """Return why the chain refuses a ticket now, or None."""
        head, lifetime = self.head(), self.config.ticket_lifetime
        if head - ticket.epoch > lifetime:
            return f"{TICKET_EXPIRED}: ticket epoch {ticket.epoch}, head {head}, lifetime {lifetime}"
        if ticket.epoch > head:
            return f"wrong ticket: its epoch {ticket.epoch} is not reached, head {head}"
        if ticket.ticket != self.ticket_at(ticket.epoch):
            return f"wrong ticket: {ticket.ticket} is not the chain's randomness of epoch {ticket.epoch}"
        return None

    def _randomness(self, purpose: bytes, epoch: int) -> Hex32:
        return _field_hash(self.secret + purpose + epoch.to_bytes(8, "little")).hex()


def _field_hash(content: bytes) -> bytes:
    digest = hashlib.sha256(content).digest()
    return digest[:-1] + bytes([digest[-1] & FIELD_MASK])
