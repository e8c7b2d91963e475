"""Snap-ups: which finished sectors are handed out for one, and what a sector's replica is."""

from __future__ import annotations

import sqlite3

from sealing.devnet import market, pool
from sealing.devnet.pool import Kind
from sealing.manager.snapup import ReplicaPrivate, ReplicaPublic, SnapUpSector, SnapUpSpec
from sealing.manager.wire import (
    AcquireDealsSpec,
    AllocatedSector,
    AllocateSpec,
    DealPiece,
    Id,
    PreCommit,
)
from sealing.proofs import seal_proof
from sealing.values import Deal, Hex32


def allocate(
    tx: sqlite3.Connection, spec: SnapUpSpec, request: str | None, head: int, now: float
) -> SnapUpSector | None:
    """Return a sector to be upgraded and its pieces, or the one that ``request`` was given before and is under way.

    None where no sector without deals is finished, or no deals are wanted that fit.
    """
    known = tx.execute("SELECT * FROM upgrades WHERE request IS NOT NULL AND request = ?", (request,)).fetchone()
    if known is not None and known["ended"] is None:
        return _given(tx, known)
    if known is not None:
        tx.execute("UPDATE upgrades SET request = NULL WHERE number = ?", (known["number"],))
    for row in _candidates(tx, spec.sector, head):
        if _give_deals(tx, row, spec.deals):
            number = tx.execute(
                "INSERT INTO upgrades (sector, request, allocated_at, comm_r_old, access_instance)"
                " VALUES (?, ?, ?, ?, ?)",
                (row["name"], request, now, replica(tx, row["name"]), row["persisted_in"]),
            ).lastrowid
            return _given(tx, tx.execute("SELECT * FROM upgrades WHERE number = ?", (number,)).fetchone())
    return None


def _candidates(tx: sqlite3.Connection, spec: AllocateSpec, head: int) -> list[sqlite3.Row]:
    """Return the sectors that are finished, hold no deals, and are not being upgraded."""
    rows = tx.execute(
        "SELECT s.* FROM sectors s JOIN messages m ON m.sector = s.name AND m.kind = ? AND m.replaced_at IS NULL"
        " WHERE s.ended = 'finalized' AND s.persisted_in IS NOT NULL AND m.failed IS NULL AND m.landed_epoch <= ?"
        " AND NOT EXISTS (SELECT 1 FROM deals d WHERE d.sector = s.name)"
        " AND NOT EXISTS (SELECT 1 FROM upgrades u WHERE u.sector = s.name AND u.ended IS NULL) ORDER BY s.rowid",
        (Kind.PROOF, head),
    ).fetchall()
    return [
        row
        for row in rows
        if (not spec.allowed_miners or row["miner"] in spec.allowed_miners)
        and (not spec.allowed_proof_types or row["proof_type"] in spec.allowed_proof_types)
    ]


def _give_deals(tx: sqlite3.Connection, row: sqlite3.Row, spec: AcquireDealsSpec) -> tuple[Deal, ...]:
    return market.give(tx, row["name"], row["miner"], seal_proof(row["proof_type"]).sector_size, spec)


def _given(tx: sqlite3.Connection, upgrade: sqlite3.Row) -> SnapUpSector:
    row = tx.execute("SELECT * FROM sectors WHERE name = ?", (upgrade["sector"],)).fetchone()
    laid = market.pieces(tx, row["name"], seal_proof(row["proof_type"]).sector_size)
    return SnapUpSector(
        sector=AllocatedSector(id=Id(miner=row["miner"], number=row["number"]), proof_type=row["proof_type"]),
        pieces=tuple(DealPiece.of(piece) for piece in laid),
        public=ReplicaPublic(comm_r=upgrade["comm_r_old"]),
        private=ReplicaPrivate(access_instance=upgrade["access_instance"]),
    )


def replica(tx: sqlite3.Connection, sector: str) -> Hex32 | None:
    """Return a sector's comm_r as the chain knows it: of its upgrade, else of its pre-commit; None without either."""
    upgraded = tx.execute("SELECT comm_r FROM upgrades WHERE sector = ? AND comm_r IS NOT NULL", (sector,)).fetchone()
    if upgraded is not None:
        return str(upgraded["comm_r"])
    precommit = pool.find(tx, sector, Kind.PRECOMMIT)
    return None if precommit is None else PreCommit.model_validate_json(precommit.content, strict=True).comm_r
