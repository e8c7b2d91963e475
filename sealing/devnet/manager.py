"""The embedded manager: what each method does. Rules of the chain that it holds up are said where they are tested."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_core import to_json

from sealing.devnet import pool, sectors
from sealing.devnet.chain import Chain, empty_commitment
from sealing.devnet.database import Database
from sealing.devnet.pool import Kind
from sealing.devnet.stores import Stores
from sealing.devnet.verifier import Verifier, VerifierError
from sealing.failures import bounded
from sealing.jsonrpc.errors import RpcError
from sealing.jsonrpc.method import Method
from sealing.manager import methods
from sealing.manager.wire import (
    AcquireDealsSpec,
    AllocatedSector,
    AllocateSpec,
    DealPiece,
    Id,
    Polled,
    PreCommit,
    Reported,
    SealProofBytes,
    SealSeed,
    SealTicket,
    SectorReport,
    SeedWait,
    StoreInfo,
    SubmitRes,
    Submitted,
    WorkerPing,
)
from sealing.proofs import seal_proof

Handler = Callable[..., Awaitable[Any]]


class DevnetManager:
    """Answers the manager's methods from a chain, a database and stores. Each change is one transaction."""

    def __init__(self, chain: Chain, database: Database, stores: Stores, verifier: Verifier) -> None:
        """Take what it works with; the caller closes the database."""
        self._chain = chain
        self._database = database
        self._stores = stores
        self._verifier = verifier

    def handlers(self) -> dict[str, tuple[Method[Any], Handler]]:
        """Return each method with its handler, by name."""
        pairs: list[tuple[Method[Any], Handler]] = [
            (methods.ALLOCATE_SECTOR, self.allocate_sector),
            (methods.ACQUIRE_DEALS, self.acquire_deals),
            (methods.ASSIGN_TICKET, self.assign_ticket),
            (methods.SUBMIT_PRECOMMIT, self.submit_precommit),
            (methods.POLL_PRECOMMIT, self.poll_precommit),
            (methods.SUBMIT_PERSISTED, self.submit_persisted),
            (methods.WAIT_SEED, self.wait_seed),
            (methods.SUBMIT_PROOF, self.submit_proof),
            (methods.POLL_PROOF, self.poll_proof),
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

    async def acquire_deals(self, sector: Id, spec: AcquireDealsSpec) -> tuple[DealPiece, ...]:  # noqa: ARG002 - the wire's
        """Give no deals: every sector is one without data."""
        await self._database.run(lambda tx: sectors.find_open(tx, sector))
        return ()

    async def assign_ticket(self, sector: Id) -> SealTicket:
        """Draw a ticket."""
        await self._database.run(lambda tx: sectors.find_open(tx, sector))
        return SealTicket.of(self._chain.draw_ticket())

    async def submit_precommit(self, info: AllocatedSector, content: PreCommit, reset: bool) -> Submitted:  # noqa: FBT001 - the wire's
        """Take a pre-commit that the chain would take."""

        def change(tx: sqlite3.Connection) -> Submitted:
            name = sectors.find_open(tx, info.id, info.proof_type)["name"]
            text, earlier = _canonical(content), pool.find(tx, name, Kind.PRECOMMIT)
            answer = pool.collision(earlier, text, self._chain.head(), reset=reset)
            return (
                answer
                or self._refused_precommit(info, content)
                or pool.send(tx, self._chain, name, Kind.PRECOMMIT, text)
            )

        return await self._database.run(change)

    def _refused_precommit(self, info: AllocatedSector, content: PreCommit) -> Submitted | None:
        problem = self._chain.ticket_problem(content.ticket.value())
        expected = empty_commitment(seal_proof(info.proof_type).sector_size)
        if problem is None and content.comm_d != expected:
            problem = f"CommD {content.comm_d} is not that of the sector's deals, {expected}"
        return None if problem is None else Submitted(res=SubmitRes.Rejected, desc=problem)

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
            row = sectors.find_open(tx, sector)
            if self._stores.missing(instance, sector.value(), row["proof_type"], is_upgrade=is_upgrade) is not None:
                return False
            tx.execute("UPDATE sectors SET persisted_in = ? WHERE name = ?", (instance, row["name"]))
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

    async def submit_proof(self, sector: Id, content: SealProofBytes, reset: bool) -> Submitted:  # noqa: FBT001 - the wire's
        """Verify a proof, and only then let it into the pool."""
        text = _canonical(content)

        def look(tx: sqlite3.Connection) -> tuple[Submitted | None, dict[str, Any]]:
            row = sectors.find_open(tx, sector)
            answer = pool.collision(pool.find(tx, row["name"], Kind.PROOF), text, self._chain.head(), reset=reset)
            return answer, {} if answer else self._claim(tx, row)

        answer, claim = await self._database.run(look)
        if answer is not None:
            return answer
        verified = await self._verify(claim, content)

        def change(tx: sqlite3.Connection) -> Submitted:
            row = sectors.find_open(tx, sector)
            # Again, as another call may have come in between.
            again = pool.collision(pool.find(tx, row["name"], Kind.PROOF), text, self._chain.head(), reset=reset)
            if again is not None:
                return again
            if self._claim(tx, row) != claim:
                raise RpcError(f"the pre-commit of {row['name']} changed while its proof was verified")
            tx.execute("UPDATE sectors SET proof_verified = ? WHERE name = ?", (verified, row["name"]))
            if not verified:
                desc = f"invalid proof: verify_seal refused it for {row['name']}, seed epoch {claim['seed_epoch']}"
                return Submitted(res=SubmitRes.Rejected, desc=desc)
            return pool.send(tx, self._chain, row["name"], Kind.PROOF, text)

        return await self._database.run(change)

    def _claim(self, tx: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
        """Return what a proof must prove. Raises an application error before the seed's epoch."""
        name, head = row["name"], self._chain.head()
        message = pool.find(tx, name, Kind.PRECOMMIT)
        if message is None or message.seed_epoch is None or not message.landed(head):
            raise RpcError(f"{name} has no pre-commit on chain: a proof cannot be taken yet")
        if head < message.seed_epoch:
            raise RpcError(f"the seed of {name} comes at epoch {message.seed_epoch}, head {head}: no proof before it")
        content = PreCommit.model_validate_json(message.content, strict=True)
        return {
            "proof_type": row["proof_type"],
            "comm_r": bytes.fromhex(content.comm_r),
            "comm_d": bytes.fromhex(content.comm_d),
            "miner": row["miner"],
            "number": row["number"],
            "ticket": bytes.fromhex(content.ticket.ticket),
            "seed": bytes.fromhex(self._chain.seed_at(message.seed_epoch).seed),
            "seed_epoch": message.seed_epoch,
        }

    async def _verify(self, claim: dict[str, Any], content: SealProofBytes) -> bool:
        asked = {name: value for name, value in claim.items() if name != "seed_epoch"}
        try:
            return await self._verifier.verify_seal(**asked, proof=base64.b64decode(content.proof))
        except VerifierError as error:
            raise RpcError(bounded(str(error), 1000)) from error

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
            return self._stores.reserve(tx, sectors.find_open(tx, sector)["name"], size, candidates or ())

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


def _canonical(content: PreCommit | SealProofBytes) -> str:
    """Return a message's content as text that is the same for the same content."""
    return to_json(content, by_alias=True).decode()
