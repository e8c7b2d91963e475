"""Commitments to data: a binary tree of SHA-256 over the bit-padded bytes. Stdlib only: programs start fast.

Data goes into a sector as elements of a field of 254 bits: after every 254 bits come two that are zero, so 127 bytes
become 128. A piece is filled up with zeros to its size; a sector's data commitment is the root over its pieces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

NODE = 32
"""Bytes of a tree's node."""
PADDED, UNPADDED = 128, 127
"""Of 128 bytes in a sector 127 are data."""
FIELD_BITS = 254
_ELEMENT = (1 << FIELD_BITS) - 1


def node(left: bytes, right: bytes) -> bytes:
    """Return the parent of two nodes: SHA-256 without its two highest bits, so that it is an element of the field."""
    digest = hashlib.sha256(left + right).digest()
    return digest[:-1] + bytes([digest[-1] & 0x3F])


def zero_commitment(size: int) -> bytes:
    """Return the commitment to zeros; ``size`` in padded bytes, a power of two."""
    commitment = bytes(NODE)
    while size > NODE:
        commitment, size = node(commitment, commitment), size // 2
    return commitment


def padded_size(payload: int) -> int:
    """Return the padded size of the smallest piece that holds ``payload`` bytes: a power of two of at least 128."""
    blocks = max(1, -(-payload // UNPADDED))
    return PADDED << (blocks - 1).bit_length()


class Tree:
    """A tree's root out of its parts from left to right. It holds one node a level, whatever the size."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._stack: list[tuple[int, bytes]] = []

    def push(self, size: int, commitment: bytes) -> None:
        """Add a part of ``size`` padded bytes at the next multiple of its size; zeros fill the gap before it."""
        self._fill(size)
        self._push(size, commitment)

    def root(self, size: int) -> bytes:
        """Return the root over ``size`` padded bytes, filled up with zeros. Raises ValueError where more is in it."""
        if not self._stack:
            return zero_commitment(size)
        self._fill(size)
        if [length for length, _ in self._stack] != [size]:
            msg = f"the parts are larger than {size} bytes together"
            raise ValueError(msg)
        return self._stack[0][1]

    def _fill(self, size: int) -> None:
        while self._stack and self._stack[-1][0] < size:
            length = self._stack[-1][0]
            self._push(length, zero_commitment(length))

    def _push(self, size: int, commitment: bytes) -> None:
        stack = self._stack
        while stack and stack[-1][0] == size:
            commitment, size = node(stack.pop()[1], commitment), 2 * size
        stack.append((size, commitment))


def data_commitment(pieces: Iterable[tuple[int, bytes]], size: int) -> bytes:
    """Return CommD of pieces, (padded size, commitment) each, at their alignment, filled up with zeros to ``size``.

    Raises ValueError where they do not fit.
    """
    tree = Tree()
    for length, commitment in pieces:
        tree.push(length, commitment)
    return tree.root(size)


class PieceHash:
    """The commitment of a piece whose data comes in parts, of any length each. It holds no more than a part."""

    def __init__(self) -> None:
        """Begin with no data."""
        self.payload = 0
        """Bytes of data so far."""
        self._tree = Tree()
        self._rest = b""

    def update(self, data: bytes) -> None:
        """Add data."""
        self.payload += len(data)
        data = self._rest + data
        whole = len(data) // UNPADDED * UNPADDED
        for start in range(0, whole, UNPADDED):
            self._tree.push(PADDED, _block(data[start : start + UNPADDED]))
        self._rest = data[whole:]

    def commitment(self, size: int | None = None) -> bytes:
        """Return the commitment of the data as a piece of ``size`` padded bytes; None: the smallest that holds it.

        It ends the piece. Raises ValueError where the data is larger.
        """
        size = padded_size(self.payload) if size is None else size
        if self._rest:
            self._tree.push(PADDED, _block(self._rest))
            self._rest = b""
        return self._tree.root(size)


def _block(data: bytes) -> bytes:
    """Return the root over up to 127 bytes, which are 4 elements of the field."""
    bits = int.from_bytes(data, "little")
    first, second, third, fourth = (
        ((bits >> place) & _ELEMENT).to_bytes(NODE, "little") for place in range(0, 4 * FIELD_BITS, FIELD_BITS)
    )
    return node(node(first, second), node(third, fourth))


def data_of(padded: bytes) -> bytes:
    """Return the data that stands bit-padded in a sector, whole blocks of 128 bytes: 127 for each."""
    found = bytearray()
    for start in range(0, len(padded), PADDED):
        bits = 0
        for number in range(PADDED // NODE):
            element = int.from_bytes(padded[start + number * NODE : start + (number + 1) * NODE], "little")
            bits |= (element & _ELEMENT) << (number * FIELD_BITS)
        found += bits.to_bytes(UNPADDED, "little")
    return bytes(found)
