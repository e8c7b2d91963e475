"""Registered proof types: their integers on the wire, their names in stage tasks, and their sector sizes."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

SECTOR_SIZES: dict[str, int] = {
    "2KiB": 2 * KIB,
    "8MiB": 8 * MIB,
    "512MiB": 512 * MIB,
    "32GiB": 32 * GIB,
    "64GiB": 64 * GIB,
}
"""Sector sizes that the network knows, in bytes, in the order of the proofs' integers."""

V1_1 = 5
"""Offset of the V1_1 seal proofs."""
SYNTHETIC = 10
"""Offset of the V1_1 seal proofs with synthetic PoRep."""
NON_INTERACTIVE = 15
"""Offset of the non-interactive seal proofs, which this product refuses."""


LEB128_MORE = 0x80
"""Bit of a LEB128 byte that says that another follows: each byte carries 7 bits."""


@dataclass(frozen=True)
class SealProof:
    """A seal proof type that this product can make."""

    number: int
    size_name: str
    synthetic: bool

    @property
    def sector_size(self) -> int:
        """The sector's size in bytes."""
        return SECTOR_SIZES[self.size_name]

    @property
    def name(self) -> str:
        """The name in stage tasks, such as ``StackedDrg2KiBV1_1``."""
        if self.number < V1_1:
            return f"StackedDrg{self.size_name}V1"
        return f"StackedDrg{self.size_name}V1_1" + ("_Feat_SyntheticPoRep" if self.synthetic else "")

    @property
    def update_name(self) -> str:
        """The name of the update proof for a sector of this size."""
        return f"StackedDrg{self.size_name}V1"


def seal_proof(number: int) -> SealProof:
    """Return the seal proof of an integer of the wire.

    Raises ValueError for an integer that is none of ours, non-interactive ones included.
    """
    sizes = list(SECTOR_SIZES)
    if not 0 <= number < NON_INTERACTIVE:
        kind = "a non-interactive PoRep, which is not supported" if number in range(NON_INTERACTIVE, 20) else "unknown"
        msg = f"seal proof type {number} is {kind}; supported are 0 to {NON_INTERACTIVE - 1}"
        raise ValueError(msg)
    return SealProof(number, sizes[number % len(sizes)], synthetic=number >= SYNTHETIC)


def proof_types(size_name: str) -> tuple[int, int]:
    """Return the integers that ``allowed_sizes`` stands for: V1_1 and its synthetic form."""
    position = list(SECTOR_SIZES).index(size_name)
    return V1_1 + position, SYNTHETIC + position


def prover_id(miner: int) -> bytes:
    """Return the 32 bytes that name a miner to the proofs: its actor id as unsigned LEB128 in front, the rest zero."""
    encoded = bytearray()
    rest = miner
    while rest >= LEB128_MORE:
        encoded.append(rest % LEB128_MORE | LEB128_MORE)
        rest //= LEB128_MORE
    encoded.append(rest)
    return bytes(encoded).ljust(32, b"\0")
