"""A plain script with SQLite: every step is committed and synced before the next, and read back after a kill."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.engines.contender import Contender
from bench.engines.work import FOR_EVER

TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS chains (number INTEGER PRIMARY KEY, done INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS steps (chain INTEGER, step INTEGER, result TEXT, PRIMARY KEY (chain, step)) WITHOUT ROWID;
"""


class Engine(Contender):
    """The script. SQLite has one writer: chains that run at once take turns, a step each."""

    db: sqlite3.Connection

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Open the database, and go on with what is unfinished."""
        self.db = sqlite3.connect(self.work.folder / "script.db", isolation_level=None)
        self.db.executescript(TABLES)
        unfinished = self.db.execute("SELECT number FROM chains WHERE NOT done").fetchall()
        resumed = [asyncio.create_task(self._go_on(number)) for (number,) in unfinished]
        yield
        for task in resumed:
            task.cancel()

    async def chain(self, number: int) -> None:
        """Run a chain."""
        self.db.execute("INSERT INTO chains VALUES (?, 0)", (number,))
        await self._go_on(number)

    async def _go_on(self, number: int) -> None:
        (done,) = self.db.execute("SELECT count(*) FROM steps WHERE chain = ?", (number,)).fetchone()
        for step, result in list(enumerate(self.work.results))[done:]:
            await asyncio.sleep(FOR_EVER if self.work.held(number, step) else 0)
            self.db.execute("INSERT INTO steps VALUES (?, ?, ?)", (number, step, result))
        self.db.execute("UPDATE chains SET done = 1 WHERE number = ?", (number,))
