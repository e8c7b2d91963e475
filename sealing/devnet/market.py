"""The market: deals, the sectors that they were given to, and where in them their pieces are.

A deal is free, given to a sector, or active in it. It is active once the message that proves its data is on chain; from
the moment that this message is sent the deal stays with the sector, whatever becomes of the task.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from sealing.manager.wire import AcquireDealsSpec
from sealing.pieces.cid import commitment_of, piece_cid
from sealing.pieces.commitment import data_commitment, zero_commitment
from sealing.values import Deal, Hex32


def give(tx: sqlite3.Connection, sector: str, miner: int, sector_size: int, spec: AcquireDealsSpec) -> tuple[Deal, ...]:
    """Give free deals to a sector, and return its pieces, fillers included; none where less than is wanted is there."""
    chosen = _choose(_free(tx, miner, sector_size), sector_size, spec)
    for number, place in chosen:
        tx.execute("UPDATE deals SET sector = ?, place = ? WHERE id = ?", (sector, place, number))
    return pieces(tx, sector, sector_size)


def _free(tx: sqlite3.Connection, miner: int, sector_size: int) -> Iterable[tuple[int, int]]:
    """Return the number and size of the free deals that a sector could hold, the oldest first."""
    return tx.execute(
        "SELECT id, size FROM deals WHERE sector IS NULL AND miner = ? AND size <= ? ORDER BY id", (miner, sector_size)
    )


def _choose(free: Iterable[tuple[int, int]], sector_size: int, spec: AcquireDealsSpec) -> list[tuple[int, int]]:
    """Return number and place of the deals that go into a sector: in their order, each at a multiple of its size."""
    chosen: list[tuple[int, int]] = []
    end = used = 0
    for number, size in free:
        place = -(-end // size) * size
        if end == sector_size or (spec.max_deals is not None and len(chosen) >= spec.max_deals):
            break
        if place + size <= sector_size:
            chosen.append((number, place))
            end, used = place + size, used + size
    return chosen if used >= (spec.min_used_space or 0) else []


def pieces(tx: sqlite3.Connection, sector: str, sector_size: int) -> tuple[Deal, ...]:
    """Return the pieces of a sector with deals, in their order, with fillers wherever there is none; else nothing."""
    laid: list[Deal] = []
    end = 0
    for row in tx.execute("SELECT * FROM deals WHERE sector = ? ORDER BY place", (sector,)):
        laid += _fillers(end, row["place"])
        laid.append(
            Deal(piece_cid=row["piece_cid"], size=row["size"], payload_size=row["payload_size"], deal_id=row["id"])
        )
        end = row["place"] + row["size"]
    return tuple(laid + _fillers(end, sector_size)) if laid else ()


def _fillers(start: int, end: int) -> list[Deal]:
    """Return pieces of zeros that lead from the end of one piece to the start of the next, each aligned to its size."""
    found = []
    while start < end:
        size = start & -start
        found.append(Deal(piece_cid=piece_cid(zero_commitment(size).hex()), size=size))
        start += size
    return found


def comm_d(laid: Iterable[Deal], sector_size: int) -> Hex32:
    """Return the commitment to a sector's data: to its pieces, or to zeros where it has none."""
    parts = ((piece.size, bytes.fromhex(commitment_of(piece.piece_cid))) for piece in laid)
    return data_commitment(parts, sector_size).hex()


def activate(tx: sqlite3.Connection, sector: str, epoch: int | None) -> None:
    """Note the epoch at which a sector's deals are active; None: what should have proved them has failed."""
    tx.execute("UPDATE deals SET active_epoch = ? WHERE sector = ?", (epoch, sector))


def release(tx: sqlite3.Connection, sector: str) -> None:
    """Make a sector's deals free again, unless the message that proves them was sent: it lands, whoever gave up."""
    tx.execute("UPDATE deals SET sector = NULL, place = NULL WHERE sector = ? AND active_epoch IS NULL", (sector,))
