"""Piece CIDs: the text by which a piece is named, and the 32-byte commitment in it.

A piece CID is a CIDv1 of one codec and one hash, so all but the commitment is the same in each: that is less than a
library for CIDs in general would need to be told.
"""

from __future__ import annotations

import base64
import binascii

from sealing.values import Hex32

BASE32 = "b"
"""Multibase's sign of lower-case base32 without padding."""
HEAD = bytes.fromhex("0181e203922020")
"""Version 1, codec fil-commitment-unsealed (0xf101), multihash sha2-256-trunc254-padded (0x1012), 32 bytes."""
COMMITMENT = 32
CID_LENGTH = 64
"""Characters of a piece CID."""


def piece_cid(commitment: Hex32) -> str:
    """Return the CID of a piece's commitment, such as ``baga6ea4seaq…``."""
    text = base64.b32encode(HEAD + bytes.fromhex(commitment)).decode()
    return BASE32 + text.rstrip("=").lower()


def commitment_of(cid: str) -> Hex32:
    """Return the commitment that a piece CID is of. Raises ValueError for a text that is no piece CID."""
    raw = _raw(cid)
    if not raw.startswith(HEAD) or len(raw) != len(HEAD) + COMMITMENT:
        msg = f"{cid[:80]!r} is not a piece CID: it is of another version, codec, hash or length"
        raise ValueError(msg)
    found = raw[len(HEAD) :].hex()
    if piece_cid(found) != cid:  # base32's last character has bits to spare: one commitment has one text
        msg = f"{cid[:80]!r} is not a piece CID: it is not in its one text form, base32 in lower case"
        raise ValueError(msg)
    return found


def _raw(cid: str) -> bytes:
    if len(cid) != CID_LENGTH or not cid.startswith(BASE32):
        msg = f"{cid[:80]!r} is not a piece CID: one has {CID_LENGTH} characters and begins with baga"
        raise ValueError(msg)
    text = cid[1:].upper()
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as error:
        msg = f"{cid[:80]!r} is not a piece CID: {error}"
        raise ValueError(msg) from None
