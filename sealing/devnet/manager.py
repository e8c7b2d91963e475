"""The embedded manager: what each method does. Rules of the chain that it holds up are said where they are tested."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from sealing.devnet import market, pool, sectors, upgrades
from sealing.devnet.chain import Chain
from sealing.devnet.database import Database
from sealing.devnet.pool import Kind
from sealing.devnet.stores import Stores
from sealing.devnet.submissions import Submissions
from sealing.devnet.verifier import Verifier
from sealing.failures import bounded
from sealing.jsonrpc.method import Method
from sealing.manager import methods
from sealing.manager.snapup import SnapUpSector, SnapUpSpec
from sealing.manager.wire import (
    AcquireDealsSpec,
    AllocatedSector,
    AllocateSpec,
    DealPiece,
    Id,
    Polled,
    Reported,
    SealSeed,
    SealTicket,
    SectorReport,
    SeedWait,
    StoreInfo,
    WorkerPing,
)
from sealing.proofs import seal_proof
from sealing.values import Deal

Handler = Callable[..., Awaitable[Any]]


class DevnetManager:
    """Answers the manager's methods from a chain, a database and stores. Each change is one transaction."""

    def __init__(self, chain: Chain, database: Database, stores: Stores, verifier: Verifier) -> None:
        """Take what it works with; the caller closes the database."""
        self._chain = chain
        self._database = database
        self._stores = stores
        self._submissions = Submissions(chain, database, stores, verifier)

    def handlers(self) -> dict[str, tuple[Method[Any], Handler]]:
        """Return each method with its handler, by name."""
        pairs: list[tuple[Method[Any], Handler]] = [
            (methods.ALLOCATE_SECTOR, self.allocate_sector),
            (methods.ACQUIRE_DEALS, self.acquire_deals),
            (methods.ASSIGN_TICKET, self.assign_ticket),
            (methods.SUBMIT_PRECOMMIT, self._submissions.submit_precommit),
            (methods.POLL_PRECOMMIT, self.poll_precommit),
            (methods.SUBMIT_PERSISTED, self.submit_persisted),
            (methods.WAIT_SEED, self.wait_seed),
            (methods.SUBMIT_PROOF, self._submissions.submit_proof),
            (methods.POLL_PROOF, self.poll_proof),
            (methods.ALLOCATE_SNAPUP, self.allocate_snapup),
            (methods.SUBMIT_SNAPUP, self._submissions.submit_snapup),
            (methods.REPORT_STATE, self.report_state),
            (methods.REPORT_FINALIZED, self.report_finalized),
            (methods.REPORT_ABORTED, self.report_aborted),
            (methods.RESERVE_SPACE, self.reserve_space),
            (methods.STORE_INFO, self.store_info),
            (methods.WORKER_PING, self.worker_ping),
        ]
        return {method.name: (method, handler) for method, handler in pairs}

    async def allocate_sector(self, spec: AllocateSpec, request: str | None = None) -> AllocatedSector | None:
        """Hand out a sector, the same for the same ``request``."""
        chain = self._chain
        return await self._database.run(lambda tx: sectors.allocate(tx, chain.config, spec, request, chain.clock()))

    async def acquire_deals(self, sector: Id, spec: AcquireDealsSpec) -> tuple[DealPiece, ...]:
        """Give a sector its deals, the same ones when asked again; none once its pre-commit was sent without any."""

        def change(tx: sqlite3.Connection) -> tuple[Deal, ...]:
            row = sectors.find_open(tx, sector)
            name, size = row["name"], seal_proof(row["proof_type"]).sector_size
            given = market.pieces(tx, name, size)
            if given or pool.find(tx, name, Kind.PRECOMMIT) is not None:
                return given
            return market.give(tx, name, row["miner"], size, spec)

        return tuple(DealPiece.of(piece) for piece in await self._database.run(change))

    async def allocate_snapup(self, spec: SnapUpSpec, request: str | None = None) -> SnapUpSector | None:
        """Hand out a finished sector to be upgraded, with deals; the same for the same ``request``."""
        chain = self._chain
        return await self._database.run(lambda tx: upgrades.allocate(tx, spec, request, chain.head(), chain.clock()))

    async def assign_ticket(self, sector: Id) -> SealTicket:
        """Draw a ticket."""
        await self._database.run(lambda tx: sectors.find_open(tx, sector))
        return SealTicket.of(self._chain.draw_ticket())

    async def poll_precommit(self, sector: Id) -> Polled:
        """Say where the pre-commit stands."""
        return await self._poll(sector, Kind.PRECOMMIT)

    async def poll_proof(self, sector: Id) -> Polled:
        """Say where the proof stands."""
        return await self._poll(sector, Kind.PROOF)

    async def _poll(self, sector: Id, kind: Kind) -> Polled:
        def look(tx: sqlite3.Connection) -> Polled:
            return pool.poll(tx, sectors.find_open(tx, sector)["name"], kind, self._chain.head())

        return await self._database.run(look)

    async def submit_persisted(self, sector: Id, instance: str, is_upgrade: bool) -> bool:  # noqa: FBT001 - the wire's
        """Say whether the sector's files are in the store, and remember the store if so."""

        def change(tx: sqlite3.Connection) -> bool:
            row = sectors.find(tx, sector) if is_upgrade else sectors.find_open(tx, sector)
            upgrade = sectors.find_open_upgrade(tx, sector) if is_upgrade else None
            if self._stores.missing(instance, sector.value(), row["proof_type"], is_upgrade=is_upgrade) is not None:
                return False
            if upgrade is None:
                tx.execute("UPDATE sectors SET persisted_in = ? WHERE name = ?", (instance, row["name"]))
            else:
                tx.execute("UPDATE upgrades SET persisted_in = ? WHERE number = ?", (instance, upgrade["number"]))
            # The files are there, so the disk itself counts them now.
            tx.execute("DELETE FROM reservations WHERE sector = ?", (row["name"],))
            return True

        return await self._database.run(change)

    async def wait_seed(self, sector: Id, proof_type: int) -> SeedWait:
        """Give the seed when its epoch is reached; neither seed nor wait without a landed pre-commit."""

        def look(tx: sqlite3.Connection) -> SeedWait:
            name, head = sectors.find_open(tx, sector, proof_type)["name"], self._chain.head()
            precommit = pool.find(tx, name, Kind.PRECOMMIT)
            if precommit is None or precommit.seed_epoch is None or not precommit.landed(head):
                return SeedWait()
            if head < precommit.seed_epoch:
                return SeedWait(should_wait=True, delay=self._chain.seconds_until(precommit.seed_epoch))
            return SeedWait(seed=SealSeed.of(self._chain.seed_at(precommit.seed_epoch)))

        return await self._database.run(look)

    async def report_state(self, sector: Id, report: SectorReport) -> Reported:
        """Keep a report, and say whether the task was ended from this side."""
        return await self._database.run(lambda tx: sectors.report(tx, sector, report, self._chain.clock()))

    async def report_finalized(self, sector: Id) -> None:
        """Note that a sector is finished."""
        await self._database.run(lambda tx: sectors.end(tx, sector, "finalized", "", self._chain.clock()))

    async def report_aborted(self, sector: Id, reason: str) -> None:
        """Note that a sector was given up."""
        await self._database.run(lambda tx: sectors.end(tx, sector, "aborted", reason, self._chain.clock()))

    async def reserve_space(self, sector: Id, size: int, candidates: tuple[str, ...] | None) -> StoreInfo | None:
        """Keep space in a store for a sector."""

        def change(tx: sqlite3.Connection) -> StoreInfo | None:
            return self._stores.reserve(tx, sectors.find_working(tx, sector)["name"], size, candidates or ())

        return await self._database.run(change)

    async def store_info(self, name: str) -> StoreInfo | None:
        """Say where a store is."""
        return self._stores.info(name)

    async def worker_ping(self, ping: WorkerPing) -> None:
        """Remember a worker's sign of life."""
        row = (bounded(ping.name, sectors.NAME_LIMIT), self._chain.clock(), ping.model_dump_json())

        def change(tx: sqlite3.Connection) -> None:
            tx.execute("INSERT OR REPLACE INTO workers VALUES (?, ?, ?)", row)

        await self._database.run(change)
