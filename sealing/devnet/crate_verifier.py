"""Verification of real proofs by our crate, one child process a proof."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from sealing.devnet.stage import Answer, StageError, run_stage
from sealing.devnet.verifier import VerifierError
from sealing.processors.tasks import StageTask, VerifySeal, VerifySnap
from sealing.proofs import prover_id, seal_proof

NOT_A_PROOF = (
    "not on curve",
    "point at infinity",
    "expected exactly",
    "Invalid proof bytes",
    "Invalid commitment",
    "Invalid all zero commitment",
)
"""Where the proof or a commitment cannot even be read, the library gives one of these errors instead of "false"."""


class CrateVerifier:
    """Runs ``seal-processor`` verify_seal and verify_snap.

    One at a time: the verifying keys of large sectors need memory.
    """

    def __init__(self, binary: Path, time_limit: float = 120.0) -> None:
        """Take the crate's program, and the seconds that it may take for one proof."""
        self._binary = binary
        self._time_limit = time_limit
        self._turn = asyncio.Lock()

    async def verify_seal(  # noqa: PLR0913 - as in Verifier
        self,
        *,
        proof_type: int,
        comm_r: bytes,
        comm_d: bytes,
        miner: int,
        number: int,
        ticket: bytes,
        seed: bytes,
        proof: bytes,
    ) -> bool:
        """Tell whether ``proof`` proves the sector. Raises VerifierError where the crate gives no answer."""
        task = VerifySeal(
            registered_proof=seal_proof(proof_type).name,
            comm_r=comm_r.hex(),
            comm_d=comm_d.hex(),
            prover_id=prover_id(miner).hex(),
            sector_id=number,
            ticket=ticket.hex(),
            seed=seed.hex(),
            proof=base64.b64encode(proof).decode(),
        )
        return await self._ask(task)

    async def verify_snap(
        self, *, proof_type: int, comm_r_old: bytes, comm_r_new: bytes, comm_d_new: bytes, proof: bytes
    ) -> bool:
        """Tell whether ``proof`` proves the upgrade. Raises VerifierError where the crate gives no answer."""
        task = VerifySnap(
            registered_proof=seal_proof(proof_type).update_name,
            proof=base64.b64encode(proof).decode(),
            comm_r_old=comm_r_old.hex(),
            comm_r_new=comm_r_new.hex(),
            comm_d_new=comm_d_new.hex(),
        )
        return await self._ask(task)

    async def _ask(self, task: StageTask[bool]) -> bool:
        async with self._turn:
            try:
                return _verdict(await run_stage((str(self._binary),), task, self._time_limit))
            except StageError as error:
                raise VerifierError(str(error)) from error


def _verdict(answer: Answer) -> bool:
    """Return what the crate said. True only for a plain true of a process that ended well."""
    if isinstance(answer.error, str) and any(sign in answer.error for sign in NOT_A_PROOF):
        return False
    if answer.status == 0 and answer.error is None and isinstance(answer.output, bool):
        return answer.output
    raise VerifierError(answer.problem())
