"""What is sent to the chain: each is looked at as the chain would, and only then let into the pool.

A proof's verification takes a while, and other calls may come in between: all is looked at again when it has ended.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Awaitable
from typing import Any

from pydantic_core import to_json

from sealing.devnet import market, pool, sectors
from sealing.devnet.chain import Chain
from sealing.devnet.database import Database
from sealing.devnet.pool import Kind
from sealing.devnet.stores import Stores
from sealing.devnet.verifier import Verifier, VerifierError
from sealing.failures import bounded
from sealing.jsonrpc.errors import RpcError
from sealing.manager.snapup import SnapUpProof
from sealing.manager.wire import AllocatedSector, Id, PreCommit, SealProofBytes, SubmitRes, Submitted
from sealing.proofs import seal_proof


class Submissions:
    """Takes pre-commits, proofs and upgrades."""

    def __init__(self, chain: Chain, database: Database, stores: Stores, verifier: Verifier) -> None:
        """Take what it works with."""
        self._chain = chain
        self._database = database
        self._stores = stores
        self._verifier = verifier

    async def submit_precommit(self, info: AllocatedSector, content: PreCommit, reset: bool) -> Submitted:  # noqa: FBT001 - the wire's
        """Take a pre-commit that the chain would take."""

        def change(tx: sqlite3.Connection) -> Submitted:
            name = sectors.find_open(tx, info.id, info.proof_type)["name"]
            text, earlier = _canonical(content), pool.find(tx, name, Kind.PRECOMMIT)
            answer = pool.collision(earlier, text, self._chain.head(), reset=reset)
            return (
                answer
                or self._refused_precommit(tx, info, content)
                or pool.send(tx, self._chain, name, Kind.PRECOMMIT, text)
            )

        return await self._database.run(change)

    def _refused_precommit(self, tx: sqlite3.Connection, info: AllocatedSector, content: PreCommit) -> Submitted | None:
        size = seal_proof(info.proof_type).sector_size
        problem = self._chain.ticket_problem(content.ticket.value())
        expected = market.comm_d(market.pieces(tx, str(info.id.value()), size), size)
        if problem is None and content.comm_d != expected:
            problem = f"CommD {content.comm_d} is not that of the sector's deals, {expected}"
        return None if problem is None else Submitted(res=SubmitRes.Rejected, desc=problem)

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
        asked = {name: value for name, value in claim.items() if name != "seed_epoch"}
        verified = await _verdict(self._verifier.verify_seal(**asked, proof=base64.b64decode(content.proof)))

        def change(tx: sqlite3.Connection) -> Submitted:
            row = sectors.find_open(tx, sector)
            again = pool.collision(pool.find(tx, row["name"], Kind.PROOF), text, self._chain.head(), reset=reset)
            if again is not None:
                return again
            if self._claim(tx, row) != claim:
                raise RpcError(f"the pre-commit of {row['name']} changed while its proof was verified")
            tx.execute("UPDATE sectors SET proof_verified = ? WHERE name = ?", (verified, row["name"]))
            if not verified:
                desc = f"invalid proof: verify_seal refused it for {row['name']}, seed epoch {claim['seed_epoch']}"
                return Submitted(res=SubmitRes.Rejected, desc=desc)
            sent = pool.send(tx, self._chain, row["name"], Kind.PROOF, text)
            market.activate(tx, row["name"], self._chain.head() + self._chain.config.landed_after)
            return sent

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

    async def submit_snapup(self, sector: Id, content: SnapUpProof) -> Submitted:
        """Verify an upgrade against the sector's old replica, and only then put the new one in its place."""
        text = _canonical(content)

        def look(tx: sqlite3.Connection) -> tuple[Submitted | None, dict[str, Any]]:
            answer = _accepted_before(tx, sector, text)
            return (answer, {}) if answer else self._upgrade_claim(tx, sector, content)

        answer, claim = await self._database.run(look)
        if answer is not None:
            return answer
        number = claim.pop("number")
        verified = await _verdict(self._verifier.verify_snap(**claim, proof=base64.b64decode(content.proof)))

        def change(tx: sqlite3.Connection) -> Submitted:
            again = _accepted_before(tx, sector, text)
            if again is not None:
                return again
            upgrade = sectors.find_open_upgrade(tx, sector)
            if upgrade["number"] != number:
                raise RpcError(f"another upgrade of {upgrade['sector']} began while this one's proof was verified")
            tx.execute("UPDATE upgrades SET proof_verified = ? WHERE number = ?", (verified, number))
            if not verified:
                desc = (
                    f"invalid proof: verify_snap refused it for {upgrade['sector']}, old CommR {upgrade['comm_r_old']}"
                )
                return Submitted(res=SubmitRes.Rejected, desc=desc)
            return self._accept(tx, upgrade, content, text)

        return await self._database.run(change)

    def _upgrade_claim(
        self, tx: sqlite3.Connection, sector: Id, content: SnapUpProof
    ) -> tuple[Submitted | None, dict[str, Any]]:
        """Return the answer to what can be refused without the proof, or what the proof must prove."""
        upgrade, row = sectors.find_open_upgrade(tx, sector), sectors.find(tx, sector)
        size = seal_proof(row["proof_type"]).sector_size
        laid = market.pieces(tx, row["name"], size)
        given = [cid.text for cid in content.pieces if cid is not None]
        wanted, deals = [piece.piece_cid for piece in laid], [piece.piece_cid for piece in laid if piece.deal_id]
        expected = market.comm_d(laid, size)
        if given not in (wanted, deals):
            desc = bounded(f"the pieces are not those of the sector's deals, {', '.join(deals)}")
            return Submitted(res=SubmitRes.Rejected, desc=desc), {}
        if content.comm_d != expected:
            desc = f"CommD {content.comm_d} is not that of the sector's deals, {expected}"
            return Submitted(res=SubmitRes.Rejected, desc=desc), {}
        missing = self._missing(content.access_instance, sector, row["proof_type"])
        if missing is not None:
            return Submitted(res=SubmitRes.FilesMissed, desc=missing), {}
        return None, {
            "number": upgrade["number"],
            "proof_type": row["proof_type"],
            "comm_r_old": bytes.fromhex(upgrade["comm_r_old"]),
            "comm_r_new": bytes.fromhex(content.comm_r),
            "comm_d_new": bytes.fromhex(content.comm_d),
        }

    def _missing(self, store: str, sector: Id, proof_type: int) -> str | None:
        """Return what is missing of the new replica in a store. A store that is not known holds nothing."""
        if self._stores.info(store) is None:
            return bounded(f"there is no store named {store!r}")
        return self._stores.missing(store, sector.value(), proof_type, is_upgrade=True)

    def _accept(self, tx: sqlite3.Connection, upgrade: sqlite3.Row, content: SnapUpProof, text: str) -> Submitted:
        tx.execute(
            "UPDATE upgrades SET comm_r = ?, persisted_in = ? WHERE number = ?",
            (content.comm_r, content.access_instance, upgrade["number"]),
        )
        market.activate(tx, upgrade["sector"], self._chain.head())
        return pool.send(tx, self._chain, upgrade["sector"], Kind.SNAPUP, text)


def _accepted_before(tx: sqlite3.Connection, sector: Id, text: str) -> Submitted | None:
    """Return the answer where an upgrade of the sector was accepted already, or None."""
    earlier = pool.find(tx, sectors.find(tx, sector)["name"], Kind.SNAPUP)
    if earlier is None:
        return None
    if earlier.content == text:
        return Submitted(res=SubmitRes.DuplicateSubmit, desc="the same was sent before")
    desc = f"another upgrade was accepted at epoch {earlier.landed_epoch}"
    return Submitted(res=SubmitRes.MismatchedSubmission, desc=desc)


async def _verdict(asked: Awaitable[bool]) -> bool:
    """Return what a verifier says. Raises an application error where it says nothing."""
    try:
        return await asked
    except VerifierError as error:
        raise RpcError(bounded(str(error), 1000)) from error


def _canonical(content: PreCommit | SealProofBytes | SnapUpProof) -> str:
    """Return a message's content as text that is the same for the same content."""
    return to_json(content, by_alias=True).decode()
