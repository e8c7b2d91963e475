"""The sectors that the embedded manager has handed out, and the tasks that work on them: a sealing, an upgrade."""

from __future__ import annotations

import sqlite3
from typing import Literal

from sealing.devnet import market
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
    """Return the row of a sector that is being sealed. Raises the error 11001 for any other.

    Raises an application error where ``proof_type`` is not the sector's.
    """
    row = find(tx, sector)
    if _is_over(row):
        raise unknown_sector()
    if proof_type is not None and proof_type != row["proof_type"]:
        raise RpcError(f"{row['name']} has proof type {row['proof_type']}, not {proof_type}")
    return row


def upgrade_of(tx: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """Return the row of a sector's last upgrade, or None."""
    row: sqlite3.Row | None = tx.execute(
        "SELECT * FROM upgrades WHERE sector = ? ORDER BY number DESC LIMIT 1", (name,)
    ).fetchone()
    return row


def find_open_upgrade(tx: sqlite3.Connection, sector: Id) -> sqlite3.Row:
    """Return the row of a sector's upgrade that is under way. Raises the error 11001 where there is none."""
    upgrade = upgrade_of(tx, find(tx, sector)["name"])
    if upgrade is None or _is_over(upgrade):
        raise unknown_sector()
    return upgrade


def find_working(tx: sqlite3.Connection, sector: Id) -> sqlite3.Row:
    """Return the row of a sector that is being sealed or upgraded. Raises the error 11001 for any other."""
    row = find(tx, sector)
    if _is_over(upgrade_of(tx, row["name"]) or row):
        raise unknown_sector()
    return row


def _is_over(task: sqlite3.Row) -> bool:
    return task["ended"] is not None or task["ordered_end"] is not None


def report(tx: sqlite3.Connection, sector: Id, got: SectorReport, now: float) -> Reported:
    """Keep a report, and tell whether the sector's last task was ended."""
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
    task = upgrade_of(tx, name) or row
    if task["ended"] is None:  # else it was long on its way
        tx.execute(
            "UPDATE sectors"
            " SET worker = ?, location = ?, state = ?, failure_level = ?, failure_text = ? WHERE name = ?",
            (*place, change[1], *failure, name),
        )
    return Reported(id=sector, finalized=_is_over(task), reason=task["ordered_end"] or task["end_reason"] or "")


def end(tx: sqlite3.Connection, sector: Id, how: Literal["finalized", "aborted"], reason: str, now: float) -> None:
    """Note that a sector's task has ended; said again, it changes nothing. What an aborted one leaves is free again.

    Raises the error 11001 where it has ended the other way: it is none that is under way, and stays as it has ended.
    """
    row = find(tx, sector)
    upgrade = upgrade_of(tx, row["name"])
    task = upgrade or row
    if upgrade is not None and how == "finalized" and upgrade["comm_r"] is None:
        return  # nothing of it was accepted: this is the sealing's end, said again
    if task["ended"] not in {None, how}:
        raise unknown_sector()
    if task["ended"] is None:
        values = (how, now, bounded(reason))
        change = "SET ended = ?, ended_at = ?, end_reason = ?"
        if upgrade is None:
            tx.execute(f"UPDATE sectors {change} WHERE name = ?", (*values, row["name"]))
        else:
            tx.execute(f"UPDATE upgrades {change} WHERE number = ?", (*values, upgrade["number"]))
        tx.execute("DELETE FROM reservations WHERE sector = ?", (row["name"],))
        if how == "aborted":
            market.release(tx, row["name"])


def order_end(tx: sqlite3.Connection, sector: Id, reason: str) -> None:
    """End a sector's task from the manager's side. Its deals are free again: nothing more is taken for it.

    Raises the error 11001 for a sector that was never handed out.
    """
    name = find(tx, sector)["name"]
    upgrade, text = upgrade_of(tx, name), bounded(reason)
    if upgrade is None:
        tx.execute("UPDATE sectors SET ordered_end = ? WHERE name = ?", (text, name))
    else:
        tx.execute("UPDATE upgrades SET ordered_end = ? WHERE number = ?", (text, upgrade["number"]))
    market.release(tx, name)
