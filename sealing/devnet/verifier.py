"""Who tells a right proof from a wrong one. A verifier that gives no answer lets nothing pass."""

from __future__ import annotations

from typing import Protocol

from sealing.processors.simulated_proof import simulated_proof, simulated_snap_proof
from sealing.proofs import prover_id


class VerifierError(Exception):
    """The verifier gave no answer: nothing is known about the proof."""


class Verifier(Protocol):
    """Verifies proofs of sealing and of upgrades."""

    async def verify_seal(  # noqa: PLR0913 - what the chain's own call takes
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
        """Tell whether ``proof`` proves the sector. Raises VerifierError where it cannot tell."""
        ...

    async def verify_snap(
        self, *, proof_type: int, comm_r_old: bytes, comm_r_new: bytes, comm_d_new: bytes, proof: bytes
    ) -> bool:
        """Tell whether ``proof`` proves that the new replica is the old one with the data of ``comm_d_new`` in it.

        ``proof_type`` is the sector's seal proof. Raises VerifierError where it cannot tell.
        """
        ...


class SimulatedVerifier:
    """Takes the proofs of the simulated processor, and no others."""

    async def verify_seal(  # noqa: PLR0913 - as in Verifier
        self,
        *,
        proof_type: int,  # noqa: ARG002 - a simulated proof is the same for every type
        comm_r: bytes,
        comm_d: bytes,
        miner: int,
        number: int,
        ticket: bytes,
        seed: bytes,
        proof: bytes,
    ) -> bool:
        """Tell whether ``proof`` is what the simulated processor makes for the sector."""
        return proof == simulated_proof(comm_r, comm_d, prover_id(miner), number, ticket, seed)

    async def verify_snap(
        self,
        *,
        proof_type: int,  # noqa: ARG002 - a simulated proof is the same for every type
        comm_r_old: bytes,
        comm_r_new: bytes,
        comm_d_new: bytes,
        proof: bytes,
    ) -> bool:
        """Tell whether ``proof`` is what the simulated processor makes for the upgrade."""
        return proof == simulated_snap_proof(comm_r_old, comm_r_new, comm_d_new)
