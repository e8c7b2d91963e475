"""The proof that the simulated processor makes and the embedded chain accepts from it. Standard library only."""

from __future__ import annotations

import hashlib


def simulated_proof(  # noqa: PLR0913, PLR0917 - a proof is over all of these, as with the real one
    comm_r: bytes, comm_d: bytes, prover_id: bytes, sector_number: int, ticket: bytes, seed: bytes
) -> bytes:
    """Return 192 bytes that depend on everything that a real seal proof is over."""
    parts = (comm_r, comm_d, prover_id, sector_number.to_bytes(8, "little"), ticket, seed)
    return hashlib.sha256(b"simulated proof" + b"".join(parts)).digest() * 6
