"""The proofs that the simulated processor makes. Stdlib only: the processor's child process starts fast."""

from __future__ import annotations

import hashlib

REPEATS = 6
"""A SHA-256 so often is as long as a Groth16 proof: 192 bytes."""


def simulated_proof(  # noqa: PLR0913, PLR0917 - what a real proof binds, too
    comm_r: bytes, comm_d: bytes, prover_id: bytes, sector: int, ticket: bytes, seed: bytes
) -> bytes:
    """Return 192 bytes that depend on all that a real proof depends on."""
    content = b"simulated proof" + comm_r + comm_d + prover_id + sector.to_bytes(8, "little") + ticket + seed
    return hashlib.sha256(content).digest() * REPEATS


def simulated_snap_proof(comm_r_old: bytes, comm_r_new: bytes, comm_d_new: bytes) -> bytes:
    """Return 192 bytes that depend on all that a real proof of an upgrade depends on."""
    return hashlib.sha256(b"simulated snap proof" + comm_r_old + comm_r_new + comm_d_new).digest() * REPEATS
