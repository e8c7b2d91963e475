"""The message pool: what was sent for a sector, and where it stands at an epoch."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from sealing.devnet.chain import Chain
from sealing.manager.wire import OnChain, Polled, SubmitRes, Submitted


class Kind(StrEnum):
    """The messages of a sector: two of its sealing, one of its upgrade."""

    PRECOMMIT = "precommit"
    PROOF = "proof"
    SNAPUP = "snapup"


@dataclass(frozen=True)
class Message:
    """A message that counts: one that was replaced does not. ``content`` is canonical JSON."""

    number: int
    content: str
    packed_epoch: int
    landed_epoch: int
    seed_epoch: int | None
    failed: str | None
    """Why it failed on chain, where it did: it is there until it is sent again."""

    def landed(self, head: int) -> bool:
        """Tell whether the message is on chain."""
        return self.failed is None and head >= self.landed_epoch

    def polled(self, head: int) -> Polled:
        """Return where the message stands."""
        if self.failed is not None:
            return Polled(state=OnChain.Failed, desc=self.failed)
        if self.landed(head):
            return Polled(state=OnChain.Landed, desc=f"landed at epoch {self.landed_epoch}")
        if head >= self.packed_epoch:
            return Polled(state=OnChain.Packed, desc=f"lands at epoch {self.landed_epoch}, head {head}")
        return Polled(state=OnChain.Pending, desc=f"is packed at epoch {self.packed_epoch}, head {head}")


def find(tx: sqlite3.Connection, sector: str, kind: Kind) -> Message | None:
    """Return the message that counts, or None."""
    row = tx.execute(
        "SELECT number, content, packed_epoch, landed_epoch, seed_epoch, failed FROM messages"
        " WHERE sector = ? AND kind = ? AND replaced_at IS NULL",
        (sector, kind),
    ).fetchone()
    return None if row is None else Message(*row)


def poll(tx: sqlite3.Connection, sector: str, kind: Kind, head: int) -> Polled:
    """Return where a sector's message stands."""
    message = find(tx, sector, kind)
    if message is None:
        return Polled(state=OnChain.NotFound, desc=f"{sector} has sent no {kind}")
    return message.polled(head)


def collision(earlier: Message | None, content: str, head: int, *, reset: bool) -> Submitted | None:
    """Return the answer where an earlier message stands in the way of a new one, or None.

    One that failed is replaced also by the same content, if ``reset`` says that it is sent again.
    """
    if earlier is None or (earlier.failed is not None and reset):
        return None
    if earlier.content == content:
        return Submitted(res=SubmitRes.DuplicateSubmit, desc="the same was sent before")
    if earlier.landed(head):
        desc = f"another content landed at epoch {earlier.landed_epoch}"
        return Submitted(res=SubmitRes.MismatchedSubmission, desc=desc)
    if not reset:
        desc = "another content was sent before; send it with reset to replace that"
        return Submitted(res=SubmitRes.MismatchedSubmission, desc=desc)
    return None


def send(tx: sqlite3.Connection, chain: Chain, sector: str, kind: Kind, content: str) -> Submitted:
    """Put a message into the pool, in the place of an earlier one."""
    now, head = chain.clock(), chain.head()
    tx.execute(
        "UPDATE messages SET replaced_at = ? WHERE sector = ? AND kind = ? AND replaced_at IS NULL", (now, sector, kind)
    )
    packed, landed, seed = _epochs(chain, kind)
    tx.execute(
        "INSERT INTO messages (sector, kind, content, sent_at, sent_epoch, packed_epoch, landed_epoch, seed_epoch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (sector, kind, content, now, head, packed, landed, seed),
    )
    return Submitted(res=SubmitRes.Accepted)


def _epochs(chain: Chain, kind: Kind) -> tuple[int, int, int | None]:
    """Return when a message that comes into the pool now is packed, lands, and gives its seed, if it gives one."""
    config, head = chain.config, chain.head()
    if kind is Kind.SNAPUP:
        return head, head, None  # its answer is all that a worker ever asks for: what is accepted is on chain
    landed = head + config.landed_after
    return head + config.packed_after, landed, landed + config.seed_delay if kind is Kind.PRECOMMIT else None


def fail(tx: sqlite3.Connection, message: Message, why: str) -> None:
    """Let a message have failed on chain."""
    tx.execute("UPDATE messages SET failed = ? WHERE number = ?", (why, message.number))


def take_back(tx: sqlite3.Connection, chain: Chain, message: Message, kind: Kind) -> None:
    """Let a message that landed be pending again, as a reorganisation does: it lands later, and so comes its seed."""
    tx.execute(
        "UPDATE messages SET packed_epoch = ?, landed_epoch = ?, seed_epoch = ? WHERE number = ?",
        (*_epochs(chain, kind), message.number),
    )
