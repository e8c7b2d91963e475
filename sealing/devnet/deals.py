"""Making deals from other processes, while the embedded manager runs or is stopped."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sealing.devnet.config import DevnetConfig
from sealing.devnet.database import connect, transaction
from sealing.devnet.piecestore import PieceError, PieceStore, StoredPiece
from sealing.processors.tasks import unpadded
from sealing.proofs import seal_proof


class NewDeal(StoredPiece):
    """A deal that was made, and its piece."""

    deal_id: int
    miner: int


def payload_limit(config: DevnetConfig) -> int:
    """Return the bytes of data that fit into the largest sector that is handed out."""
    return unpadded(max(seal_proof(number).sector_size for number in config.proof_types))


def add_deal(config: DevnetConfig, source: Path, miner: int | None = None) -> NewDeal:
    """Store a file's data as a piece and make a deal about it, with ``miner`` or the configured one.

    The deal is there, whole, or not at all. Raises PieceError for a file or a miner that will not do, with what to do,
    OSError for files that cannot be read or written, sqlite3.DatabaseError for a broken database.
    """
    wanted = config.miner if miner is None else miner
    config.data.mkdir(parents=True, exist_ok=True)
    with closing(connect(config.data)) as link:
        _check_miner(link, config, wanted)
        piece = PieceStore(config.data).add(source, payload_limit(config))
        with transaction(link) as tx:
            number = tx.execute(
                "INSERT INTO deals (miner, piece_cid, size, payload_size, added_at) VALUES (?, ?, ?, ?, ?)",
                (wanted, piece.piece_cid, piece.size, piece.payload_size, time.time()),
            ).lastrowid
    return NewDeal(**piece.model_dump(), deal_id=number or 0, miner=wanted)


def _check_miner(link: sqlite3.Connection, config: DevnetConfig, miner: int) -> None:
    """Refuse a miner that has no sectors and will get none: its deal would wait for ever."""
    known = link.execute("SELECT 1 FROM sectors WHERE miner = ? LIMIT 1", (miner,)).fetchone()
    if miner != config.miner and known is None:
        raise PieceError(f"this manager hands out no sectors of miner {miner}: name {config.miner}, or leave it out")
