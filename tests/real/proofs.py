"""Proofs that are none."""

from __future__ import annotations

G1 = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
G2 = (
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
)
"""The generators of BLS12-381, compressed."""

WELL_FORMED = list(bytes.fromhex(G1 + G2 + G1))
"""A Groth16 proof in form, three points of the right groups, that proves nothing."""
UNREADABLE = [WELL_FORMED[0] ^ 0x80, *WELL_FORMED[1:]]
"""One bit of it flipped, and its first point is none of the curve."""


def flipped(proof: list[int], bit: int) -> list[int]:
    """Return a proof with one bit flipped, counted from the highest of the first byte."""
    changed = list(proof)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return changed
