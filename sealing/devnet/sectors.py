"""The sectors that the embedded manager has handed out."""

from __future__ import annotations

import sqlite3
from typing import Literal

from sealing.devnet.config import DevnetConfig
from sealing.devnet.errors import unknown_sector
from sealing.failures import bounded
from sealing.jsonrpc.errors import RpcError
from sealing.manager.wire import AllocatedSector, AllocateSpec, Id, Reported, SectorReport

NAME_LIMIT = 500
"""Characters of a name or path from a worker that are kept."""


def allocate(
    tx: sqlite3.Connection, config: DevnetConfig, spec: AllocateSpec, request: str | None, now: float
) -> AllocatedSector | None:
    """Return a new sector, or the one that ``request`` was given before; None where there is none for the caller."""
    known = tx.execute("SELECT * FROM sectors WHERE request IS NOT NULL AND request = ?", (request,)).fetchone()
    if known is not None:
        return AllocatedSector(id=Id(miner=known["miner"], number=known["number"]), proof_type=known["proof_type"])
    count, last = tx.execute(
        "SELECT count(*), coalesce(max(number) FILTER (WHERE miner = ?), 0) FROM sectors", (config.miner,)
    ).fetchone()
    kinds = [kind for kind in config.proof_types if not spec.allowed_proof_types or kind in spec.allowed_proof_types]
    other_miner = spec.allowed_miners and config.miner not in spec.allowed_miners
    if not kinds or other_miner or (config.max_sectors is not None and count >= config.max_sectors):
        return None
    sector = AllocatedSector(id=Id(miner=config.miner, number=last + 1), proof_type=kinds[count % len(kinds)])
    tx.execute(
        "INSERT INTO sectors (name, miner, number, proof_type, request, allocated_at) VALUES (?, ?, ?, ?, ?, ?)",
        (str(sector.id.value()), sector.id.miner, sector.id.number, sector.proof_type, request, now),
    )
    return sector


def find(tx: sqlite3.Connection, sector: Id) -> sqlite3.Row:
    """Return a sector's row, of an ended sector too. Raises the error 11001 for one that was never handed out."""
    row: sqlite3.Row | None = tx.execute("SELECT * FROM sectors WHERE name = ?", (str(sector.value()),)).fetchone()
    if row is None:
        raise unknown_sector()
    return row


def find_open(tx: sqlite3.Connection, sector: Id, proof_type: int | None = None) -> sqlite3.Row:
    """Return the row of a sector that is under way. Raises the error 11001 for any other.

    Raises an application error where ``proof_type`` is not the sector's.
    """
    row = find(tx, sector)
    if row["ended"] is not None or row["ordered_end"] is not None:
        raise unknown_sector()
    if proof_type is not None and proof_type != row["proof_type"]:
        raise RpcError(f"{row['name']} has proof type {row['proof_type']}, not {proof_type}")
    return row


def report(tx: sqlite3.Connection, sector: Id, got: SectorReport, now: float) -> Reported:
    """Keep a report, and tell whether the task was ended."""
    row, name = find(tx, sector), str(sector.value())
    failure = (None, None) if got.failure is None else (got.failure.level.value, bounded(got.failure.desc))
    place = (bounded(got.worker.instance, NAME_LIMIT), bounded(got.worker.location, NAME_LIMIT))
    change = tuple(
        bounded(text, NAME_LIMIT) for text in (got.state_change.prev, got.state_change.next, got.state_change.event)
    )
    tx.execute(
        "INSERT INTO reports (sector, at, worker, location, prev, next, event, failure_level, failure_text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (name, now, *place, *change, *failure),
    )
    tx.execute(
        "UPDATE sectors SET worker = ?, location = ?, state = ?, failure_level = ?, failure_text = ? WHERE name = ?",
        (*place, change[1], *failure, name),
    )
    over = row["ended"] is not None or row["ordered_end"] is not None
    return Reported(id=sector, finalized=over, reason=row["ordered_end"] or row["end_reason"] or "")


def end(tx: sqlite3.Connection, sector: Id, how: Literal["finalized", "aborted"], reason: str, now: float) -> None:
    """Note that a sector's task has ended; said again, it changes nothing.

    Raises an application error where it has ended the other way.
    """
    row = find(tx, sector)
    if row["ended"] not in {None, how}:
        raise RpcError(f"{row['name']} is {row['ended']} already")
    if row["ended"] is None:
        tx.execute(
            "UPDATE sectors SET ended = ?, ended_at = ?, end_reason = ? WHERE name = ?",
            (how, now, bounded(reason), row["name"]),
        )
        tx.execute("DELETE FROM reservations WHERE sector = ?", (row["name"],))
