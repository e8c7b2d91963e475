"""The embedded manager's state for other processes: read from its database, also while it runs or is stopped."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from sealing.devnet import market, pool, sectors, upgrades
from sealing.devnet.chain import Clock
from sealing.devnet.database import BUSY_SECONDS, FILE, connect, transaction
from sealing.devnet.faults import book
from sealing.devnet.faults.book import FaultRecord
from sealing.devnet.pool import Kind
from sealing.failures import Failure, Level
from sealing.jsonrpc.errors import RpcError
from sealing.manager.wire import Id, OnChain, PreCommit, WorkerPing
from sealing.values import Frozen, Hex32, SectorId


class SectorRecord(Frozen):
    """A sector as the manager knows it. Times are seconds since 1970."""

    id: SectorId
    proof_type: int
    allocated_at: float
    state: str | None
    worker: str | None
    location: str | None
    failure: Failure | None
    persisted_in: str | None
    proof_verified: bool | None
    """The last verdict about a proof of the sector; None: there was none yet."""
    ended: str | None
    """``finalized``, ``aborted`` or None."""
    ended_at: float | None
    end_reason: str | None


class ReportRecord(Frozen):
    """One report of a worker."""

    at: float
    worker: str
    location: str
    prev: str
    next: str
    event: str
    failure: Failure | None


class MessageRecord(Frozen):
    """A message, also one that was replaced or failed. ``landed_at`` and ``seed_at`` may lie in the future."""

    kind: Kind
    state: OnChain
    sent_at: float
    sent_epoch: int
    landed_epoch: int
    landed_at: float
    seed_epoch: int | None
    seed_at: float | None
    replaced_at: float | None
    failed: str | None
    """Why it failed on chain, where it did."""
    digest: Hex32
    """The SHA-256 of its content."""

    @property
    def is_good(self) -> bool:
        """Whether it was neither replaced nor has failed."""
        return self.replaced_at is None and self.failed is None


class DealRecord(Frozen):
    """A deal. ``size`` is padded; ``place`` is where in the sector its piece begins, in padded bytes."""

    id: int
    miner: int
    piece_cid: str
    size: int
    payload_size: int
    added_at: float
    state: Literal["free", "given", "active"]
    sector: str | None
    place: int | None


class UpgradeRecord(Frozen):
    """A snap-up of a sector. Replicas are named by comm_r and the store that holds them; None: not accepted yet."""

    sector: str
    allocated_at: float
    comm_r_old: str
    access_instance: str
    comm_r: str | None
    persisted_in: str | None
    proof_verified: bool | None
    ended: str | None
    ended_at: float | None
    end_reason: str | None


class WorkerRecord(Frozen):
    """A worker's last sign of life."""

    at: float
    ping: WorkerPing


class Timeline(Frozen):
    """When a sector's messages were sent and landed, and its seed came, in seconds since 1970; None: not yet."""

    id: SectorId
    precommit_sent_at: float | None
    precommit_landed_at: float | None
    seed_at: float | None
    proof_sent_at: float | None
    proof_landed_at: float | None
    proof_verified: bool | None


class Observer:
    """Reads a data folder's database, and changes nothing. Each call sees one consistent moment.

    Each raises sqlite3.OperationalError where no embedded manager has run yet.
    """

    def __init__(self, data: Path, clock: Clock = time.time) -> None:
        """Take the embedded manager's data folder, and the chain's clock."""
        self._path = data / FILE
        self._clock = clock

    def head(self) -> int:
        """Return the chain's head."""
        with self._open() as link:
            return self._head(link)

    def sectors(self) -> list[SectorRecord]:
        """Return every sector, in the order in which they were handed out."""
        with self._open() as link:
            return [_sector(row) for row in link.execute("SELECT * FROM sectors ORDER BY rowid")]

    def reports(self, sector: SectorId) -> list[ReportRecord]:
        """Return a sector's reports, the oldest first."""
        with self._open() as link:
            rows = link.execute("SELECT * FROM reports WHERE sector = ? ORDER BY number", (str(sector),))
            return [ReportRecord(**{**dict(row), "failure": _failure(row)}) for row in rows]

    def messages(self, sector: SectorId) -> list[MessageRecord]:
        """Return a sector's messages, the oldest first."""
        with self._open() as link:
            return self._messages(link, sector)

    def deals(self) -> list[DealRecord]:
        """Return every deal, the oldest first."""
        with self._open() as link:
            return [
                DealRecord(**{**dict(row), "state": self._deal_state(link, row)})
                for row in link.execute("SELECT * FROM deals ORDER BY id").fetchall()
            ]

    def _deal_state(self, link: sqlite3.Connection, row: sqlite3.Row) -> str:
        if row["sector"] is None:
            return "free"
        active = row["active_epoch"]
        return "given" if active is None or self._head(link) < active else "active"

    def upgrades(self) -> list[UpgradeRecord]:
        """Return every snap-up, the oldest first."""
        with self._open() as link:
            rows = link.execute("SELECT * FROM upgrades ORDER BY number")
            return [UpgradeRecord(**{**dict(row), "proof_verified": _verdict(row)}) for row in rows]

    def precommit(self, sector: SectorId) -> PreCommit | None:
        """Return a sector's pre-commit, or None where none was sent."""
        with self._open() as link:
            found = pool.find(link, str(sector), Kind.PRECOMMIT)
            return None if found is None else PreCommit.model_validate_json(found.content, strict=True)

    def comm_d(self, sector: SectorId, sector_size: int) -> Hex32:
        """Return the commitment to the data of a sector's deals."""
        with self._open() as link:
            return market.comm_d(market.pieces(link, str(sector), sector_size), sector_size)

    def comm_r(self, sector: SectorId) -> str | None:
        """Return the comm_r that the chain knows of a sector, or None."""
        with self._open() as link:
            return upgrades.replica(link, str(sector))

    def faults(self) -> list[FaultRecord]:
        """Return every fault that was ordered, the oldest first, with what it was used for."""
        with self._open() as link:
            return book.records(link, self._clock())

    def workers(self) -> list[WorkerRecord]:
        """Return the last sign of life of each worker, by name."""
        with self._open() as link:
            rows = link.execute("SELECT at, ping FROM workers ORDER BY name")
            return [WorkerRecord(at=row["at"], ping=WorkerPing.model_validate_json(row["ping"])) for row in rows]

    def timeline(self, sector: SectorId) -> Timeline:
        """Return when what happened on chain. Raises KeyError for a sector that was never handed out."""
        with self._open() as link:
            row = link.execute("SELECT proof_verified FROM sectors WHERE name = ?", (str(sector),)).fetchone()
            messages = {found.kind: found for found in self._messages(link, sector) if found.is_good}
        if row is None:
            raise KeyError(str(sector))
        precommit, proof, now = messages.get(Kind.PRECOMMIT), messages.get(Kind.PROOF), self._clock()
        return Timeline(
            id=sector,
            precommit_sent_at=None if precommit is None else precommit.sent_at,
            precommit_landed_at=None if precommit is None else _passed(precommit.landed_at, now),
            seed_at=None if precommit is None else _passed(precommit.seed_at, now),
            proof_sent_at=None if proof is None else proof.sent_at,
            proof_landed_at=None if proof is None else _passed(proof.landed_at, now),
            proof_verified=_verdict(row),
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        link = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        with closing(link):
            link.row_factory = sqlite3.Row
            link.execute("BEGIN")
            yield link

    def _head(self, link: sqlite3.Connection) -> int:
        genesis, pace = _pace(link)
        return int((self._clock() - genesis) // pace)

    def _messages(self, link: sqlite3.Connection, sector: SectorId) -> list[MessageRecord]:
        genesis, pace = _pace(link)
        head = self._head(link)
        rows = link.execute(
            "SELECT kind, content, sent_at, sent_epoch, packed_epoch, landed_epoch, seed_epoch, replaced_at, failed"
            " FROM messages WHERE sector = ? ORDER BY number",
            (str(sector),),
        )
        return [_message(row, head, genesis, pace) for row in rows]


def order_end(data: Path, sector: SectorId, reason: str) -> None:
    """End a sector's task from the manager's side: the worker learns it from the answer to its next report.

    Raises KeyError for a sector that was never handed out.
    """
    with closing(connect(data)) as link, transaction(link) as tx:
        try:
            sectors.order_end(tx, Id.of(sector), reason)
        except RpcError as error:
            raise KeyError(str(sector)) from error


def _pace(link: sqlite3.Connection) -> tuple[float, float]:
    row = link.execute("SELECT genesis, epoch_seconds FROM chain").fetchone()
    if row is None:
        msg = "the embedded manager has not begun its chain yet"
        raise sqlite3.OperationalError(msg)
    return row["genesis"], row["epoch_seconds"]


def _message(row: sqlite3.Row, head: int, genesis: float, pace: float) -> MessageRecord:
    landed, seed = row["landed_epoch"], row["seed_epoch"]
    if row["replaced_at"] is not None:
        state = OnChain.NotFound
    elif row["failed"] is not None:
        state = OnChain.Failed
    elif head >= landed:
        state = OnChain.Landed
    else:
        state = OnChain.Packed if head >= row["packed_epoch"] else OnChain.Pending
    return MessageRecord(
        kind=Kind(row["kind"]),
        state=state,
        sent_at=row["sent_at"],
        sent_epoch=row["sent_epoch"],
        landed_epoch=landed,
        landed_at=genesis + landed * pace,
        seed_epoch=seed,
        seed_at=None if seed is None else genesis + seed * pace,
        replaced_at=row["replaced_at"],
        failed=row["failed"],
        digest=hashlib.sha256(row["content"].encode()).hexdigest(),
    )


def _sector(row: sqlite3.Row) -> SectorRecord:
    return SectorRecord(
        **{
            **dict(row),
            "id": SectorId(miner=row["miner"], number=row["number"]),
            "failure": _failure(row),
            "proof_verified": _verdict(row),
        }
    )


def _failure(row: sqlite3.Row) -> Failure | None:
    level = row["failure_level"]
    return None if level is None else Failure(level=Level(level), text=row["failure_text"])


def _verdict(row: sqlite3.Row) -> bool | None:
    return None if row["proof_verified"] is None else bool(row["proof_verified"])


def _passed(moment: float | None, now: float) -> float | None:
    return moment if moment is not None and moment <= now else None
