"""The embedded manager's state on disk: one SQLite file, in which every change is one transaction."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sealing.devnet.chain import Chain, Clock, genesis_for
from sealing.devnet.config import DevnetConfig

R = TypeVar("R")

FILE = "devnet.sqlite"
BUSY_SECONDS = 10.0
"""How long a change waits for another process's."""

SCHEMAS = (
    """
CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1), genesis REAL NOT NULL, secret BLOB NOT NULL, epoch_seconds REAL NOT NULL
);
CREATE TABLE sectors (
    name TEXT PRIMARY KEY, miner INTEGER NOT NULL, number INTEGER NOT NULL, proof_type INTEGER NOT NULL,
    request TEXT UNIQUE, allocated_at REAL NOT NULL,
    state TEXT, worker TEXT, location TEXT, failure_level TEXT, failure_text TEXT,
    persisted_in TEXT, proof_verified INTEGER,
    ordered_end TEXT, ended TEXT, ended_at REAL, end_reason TEXT,
    UNIQUE (miner, number)
);
CREATE TABLE messages (
    number INTEGER PRIMARY KEY, sector TEXT NOT NULL REFERENCES sectors (name), kind TEXT NOT NULL,
    content TEXT NOT NULL, sent_at REAL NOT NULL, sent_epoch INTEGER NOT NULL, packed_epoch INTEGER NOT NULL,
    landed_epoch INTEGER NOT NULL, seed_epoch INTEGER, replaced_at REAL
);
CREATE UNIQUE INDEX one_message_counts ON messages (sector, kind) WHERE replaced_at IS NULL;
CREATE TABLE reports (
    number INTEGER PRIMARY KEY, sector TEXT NOT NULL REFERENCES sectors (name), at REAL NOT NULL,
    worker TEXT NOT NULL, location TEXT NOT NULL, prev TEXT NOT NULL, next TEXT NOT NULL, event TEXT NOT NULL,
    failure_level TEXT, failure_text TEXT
);
CREATE TABLE reservations (
    sector TEXT PRIMARY KEY REFERENCES sectors (name), store TEXT NOT NULL, size INTEGER NOT NULL
);
CREATE TABLE workers (name TEXT PRIMARY KEY, at REAL NOT NULL, ping TEXT NOT NULL);
""",
    """
CREATE TABLE deals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, miner INTEGER NOT NULL, piece_cid TEXT NOT NULL, size INTEGER NOT NULL,
    payload_size INTEGER NOT NULL, added_at REAL NOT NULL,
    sector TEXT REFERENCES sectors (name), place INTEGER, active_epoch INTEGER
);
CREATE INDEX deals_of_a_sector ON deals (sector);
CREATE TABLE upgrades (
    number INTEGER PRIMARY KEY, sector TEXT NOT NULL REFERENCES sectors (name), request TEXT UNIQUE,
    allocated_at REAL NOT NULL, comm_r_old TEXT NOT NULL, access_instance TEXT NOT NULL,
    comm_r TEXT, persisted_in TEXT, proof_verified INTEGER,
    ordered_end TEXT, ended TEXT, ended_at REAL, end_reason TEXT
);
CREATE UNIQUE INDEX one_upgrade_at_a_time ON upgrades (sector) WHERE ended IS NULL;
""",
    """
ALTER TABLE messages ADD COLUMN failed TEXT;
CREATE TABLE faults (
    number INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL, configured TEXT UNIQUE, ordered_at REAL NOT NULL,
    times_left INTEGER, until REAL, cleared_at REAL
);
CREATE TABLE fault_uses (
    fault INTEGER NOT NULL REFERENCES faults (number), at REAL NOT NULL, method TEXT NOT NULL, sector TEXT
);
CREATE INDEX uses_of_a_fault ON fault_uses (fault);
""",
)
"""What each version of the database adds to the one before."""


def connect(folder: Path) -> sqlite3.Connection:
    """Open the database of a data folder for changes, made when missing.

    Raises sqlite3.DatabaseError for a file that is not ours, with what to do.
    """
    path = folder / FILE
    link = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    link.row_factory = sqlite3.Row
    try:
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = FULL")
        link.execute("PRAGMA foreign_keys = ON")
        _ensure_schema(link)
    except sqlite3.DatabaseError as error:
        link.close()
        msg = f"{path} cannot be used ({error}): move it away to begin a new chain, or name another data folder"
        raise sqlite3.DatabaseError(msg) from error
    return link


@contextmanager
def transaction(link: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Make what happens inside one change: whole, or not at all."""
    link.execute("BEGIN IMMEDIATE")
    try:
        yield link
    except BaseException:
        link.execute("ROLLBACK")
        raise
    link.execute("COMMIT")


def _ensure_schema(link: sqlite3.Connection) -> None:
    with transaction(link):
        version = link.execute("PRAGMA user_version").fetchone()[0]
        if version > len(SCHEMAS):
            msg = f"its version is {version}, this program's is {len(SCHEMAS)}"
            raise sqlite3.DatabaseError(msg)
        for schema in SCHEMAS[version:]:
            for statement in schema.split(";\n"):
                link.execute(statement)
        link.execute(f"PRAGMA user_version = {len(SCHEMAS)}")


def open_chain(link: sqlite3.Connection, config: DevnetConfig, clock: Clock) -> Chain:
    """Return the chain of the database, begun when there is none.

    Raises ValueError where it goes at another pace than the configuration says: epochs would jump.
    """
    with transaction(link):
        fresh = (genesis_for(config, clock()), secrets.token_bytes(32), config.epoch_seconds)
        link.execute("INSERT OR IGNORE INTO chain VALUES (1, ?, ?, ?)", fresh)
        row = link.execute("SELECT * FROM chain").fetchone()
    if row["epoch_seconds"] != config.epoch_seconds:
        msg = (
            f"the chain in {config.data} has epochs of {row['epoch_seconds']:g} s, the configuration says"
            f" {config.epoch_seconds:g} s: keep them, or name another data folder"
        )
        raise ValueError(msg)
    return Chain(config, row["genesis"], row["secret"], clock)


class Database:
    """Runs changes one after the other in a thread of its own, so that a slow disk never holds the event loop."""

    def __init__(self, link: sqlite3.Connection) -> None:
        """Take a connection, which is closed with this."""
        self._link = link
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="devnet-database")

    async def run(self, change: Callable[[sqlite3.Connection], R]) -> R:
        """Return what ``change`` returns, run as one transaction."""

        def work() -> R:
            with transaction(self._link) as tx:
                return change(tx)

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Wait for the changes under way, and close the file."""
        self._thread.shutdown()
        self._link.close()
