"""What each stage is given and what it answers, exactly as on the wire; in Python the values are the domain's.

On the wire 32 bytes are a list of 32 integers, here they are hex digits. Sizes of pieces are unpadded on the wire
(127 bytes for every 128), here they are padded. A large output of an earlier stage is named by its file.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BeforeValidator, PlainSerializer, StrictBool, TypeAdapter

from sealing.values import Base64, Deal, FileRef, Frozen, Hex32, Piece

PADDED, UNPADDED = 128, 127
"""Of 128 bytes of a sector 127 are data."""
T = TypeVar("T")


def _bytes(integers: list[int]) -> bytes:
    try:
        return bytes(integers)
    except TypeError:
        msg = f"bytes on the wire are a list of integers, not {str(integers)[:80]}"
        raise ValueError(msg) from None


def _hex(value: object) -> object:
    return _bytes(value).hex() if isinstance(value, list) else value


def _base64(value: object) -> object:
    return base64.b64encode(_bytes(value)).decode() if isinstance(value, list) else value


def _padded(value: object) -> object:
    """Return what a size on the wire is here. Already a piece of ours: unchanged."""
    if not isinstance(value, dict):
        return value
    size = value.get("size")
    if not isinstance(size, int) or size % UNPADDED:
        msg = f"the size of a piece on the wire is a multiple of {UNPADDED}, not {size!r}"
        raise ValueError(msg)
    return {"commitment": _hex(value.get("commitment")), "size": size // UNPADDED * PADDED}


def _wire_piece(piece: Piece) -> dict[str, Any]:
    return {"commitment": list(bytes.fromhex(piece.commitment)), "size": unpadded(piece.size)}


def unpadded(size: int) -> int:
    """Return how many bytes of data fit into ``size`` padded bytes."""
    return size // PADDED * UNPADDED


def data_size(deal: Deal) -> int:
    """Return the bytes of a deal's data. A deal that tells none has a full piece."""
    return deal.payload_size or unpadded(deal.size)


Bytes32 = Annotated[Hex32, BeforeValidator(_hex), PlainSerializer(lambda text: list(bytes.fromhex(text)))]
"""32 bytes: hex digits here, a list of integers on the wire."""
Bytes = Annotated[Base64, BeforeValidator(_base64), PlainSerializer(lambda text: list(base64.b64decode(text)))]
"""Bytes of any length: base64 here, a list of integers on the wire."""
PieceInfo = Annotated[Piece, BeforeValidator(_padded), PlainSerializer(_wire_piece)]
"""A piece in the staged data."""
Output = Annotated[FileRef, PlainSerializer(lambda ref: {"$file": ref.path})]
"""An earlier stage's output, which the processor reads from that stage's output file."""


class StageTask(Frozen, Generic[T]):
    """A task of a stage, whose answer is a ``T``."""

    stage: ClassVar[str]
    answer: ClassVar[TypeAdapter[Any]]
    follows: ClassVar[str | None] = None
    """The stage whose files, beside its output, it works on."""

    def wire(self) -> dict[str, Any]:
        """Return the task as the processor gets it."""
        return self.model_dump(mode="json")

    def inputs(self) -> tuple[FileRef, ...]:
        """Return the outputs of earlier stages that this task reads."""
        return tuple(value for name in type(self).model_fields if isinstance(value := getattr(self, name), FileRef))

    def read(self, answer: object) -> T:
        """Return the stage's answer, given as parsed JSON. Raises ValueError if it is not of the expected shape."""
        read: T = self.answer.validate_python(answer)
        return read


class SourcePiece(Frozen):
    """A piece to be added: ``pledge`` for zeros, or where its data is. Sizes in bytes, ``piece_size`` unpadded."""

    piece_file: Literal["pledge"] | dict[Literal["url", "local"], str]
    payload_size: int
    piece_size: int

    @classmethod
    def of(cls, deal: Deal, where: Literal["pledge"] | dict[Literal["url", "local"], str]) -> SourcePiece:
        """Return a deal's piece, whose data is at ``where``."""
        payload = deal.payload_size if where == "pledge" else data_size(deal)
        return cls(piece_file=where, payload_size=payload, piece_size=unpadded(deal.size))


class AddPieces(StageTask[tuple[Piece, ...]]):
    """Write the pieces' data into the staged file. No pieces: one piece of zeros that fills the sector."""

    stage = "add_pieces"
    answer = TypeAdapter(tuple[PieceInfo, ...])

    seal_proof_type: str
    pieces: tuple[SourcePiece, ...]
    staged_filepath: str


class TreeD(StageTask[Literal[True]]):
    """Build the staged data's Merkle tree in ``cache_dir``."""

    stage = "tree_d"
    answer = TypeAdapter(Literal[True])

    registered_proof: str
    staged_file: str
    cache_dir: str


class Labels(Frozen):
    """PC1's output, of which only what is small is read; the rest stays in its file."""

    registered_proof: str
    labels: dict[str, Any]
    comm_d: Bytes32


class Pc1(StageTask[Labels]):
    """Compute the labels: hours for 32 GiB. ``in_path`` is the staged data, ``out_path`` becomes a copy of it."""

    stage = "pc1"
    answer = TypeAdapter(Labels)

    registered_proof: str
    cache_path: str
    in_path: str
    out_path: str
    prover_id: Bytes32
    sector_id: int
    ticket: Bytes32
    piece_infos: tuple[PieceInfo, ...]


class Commitments(Frozen):
    """A new replica's commitments."""

    registered_proof: str
    comm_r: Bytes32
    comm_d: Bytes32


class Pc2(StageTask[Commitments]):
    """Encode the sealed file in place and build its trees."""

    stage = "pc2"
    follows = "pc1"
    answer = TypeAdapter(Commitments)

    pc1out: Output
    cache_dir: str
    sealed_file: str


class Replica(Frozen):
    """What identifies a replica and its files: the fields that the stages after PC2 share."""

    registered_proof: str
    cache_path: str
    replica_path: str
    prover_id: Bytes32
    sector_id: int
    ticket: Bytes32
    comm_r: Bytes32
    comm_d: Bytes32
    piece_infos: tuple[PieceInfo, ...]


class SyntheticProofs(Replica, StageTask[Literal[True]]):
    """Make the synthetic vanilla proofs, a file in the cache, while the layers are there."""

    stage = "synthetic_proofs"
    follows = "pc2"
    answer = TypeAdapter(Literal[True])


class VanillaProofs(Frozen):
    """C1's output, of which only what is small is read; the rest stays in its file."""

    registered_proof: str
    vanilla_proofs: dict[str, Any]
    comm_r: Bytes32
    comm_d: Bytes32
    seed: Bytes32
    ticket: Bytes32


class C1(Replica, StageTask[VanillaProofs]):
    """Make the vanilla proofs for the seed."""

    stage = "c1"
    follows = "pc2"
    answer = TypeAdapter(VanillaProofs)

    seed: Bytes32


class Proof(Frozen):
    """A Groth16 proof, 192 bytes a partition."""

    proof: Bytes


class C2(StageTask[Proof]):
    """Prove the vanilla proofs by Groth16."""

    stage = "c2"
    answer = TypeAdapter(Proof)

    c1out: Output
    prover_id: Bytes32
    sector_id: int
    miner_id: int


class VerifySeal(StageTask[bool]):
    """Verify a proof, as the chain does."""

    stage = "verify_seal"
    answer = TypeAdapter(StrictBool)

    registered_proof: str
    comm_r: Bytes32
    comm_d: Bytes32
    prover_id: Bytes32
    sector_id: int
    ticket: Bytes32
    seed: Bytes32
    proof: Bytes


class UpdateCommitments(Frozen):
    """The commitments of an upgraded replica."""

    comm_r_new: Bytes32
    comm_r_last_new: Bytes32
    comm_d_new: Bytes32


class SnapEncode(StageTask[UpdateCommitments]):
    """Encode data into a sealed sector: a new replica, and the trees of it. ``sector_*`` are the old replica's."""

    stage = "snap_encode"
    answer = TypeAdapter(UpdateCommitments)

    registered_proof: str
    new_replica_path: str
    new_cache_path: str
    sector_path: str
    sector_cache_path: str
    staged_data_path: str
    piece_infos: tuple[PieceInfo, ...]


class SnapVanilla(StageTask[tuple[Any, ...]]):
    """Make the vanilla proofs of an upgrade, one a partition; only their file is handed on."""

    stage = "snap_vanilla"
    follows = "snap_encode"
    answer = TypeAdapter(tuple[Any, ...])

    registered_proof: str
    comm_r_old: Bytes32
    comm_r_new: Bytes32
    comm_d_new: Bytes32
    sector_path: str
    sector_cache_path: str
    replica_path: str
    replica_cache_path: str


class SnapProve(StageTask[Base64]):
    """Prove an upgrade by Groth16. ``vannilla_proofs`` is spelled as in the protocol."""

    stage = "snap_prove"
    answer = TypeAdapter(Bytes)

    registered_proof: str
    vannilla_proofs: Output
    comm_r_old: Bytes32
    comm_r_new: Bytes32
    comm_d_new: Bytes32


class VerifySnap(StageTask[bool]):
    """Verify an upgrade's proof, as the chain does. ``registered_proof`` is the update proof's name."""

    stage = "verify_snap"
    answer = TypeAdapter(StrictBool)

    registered_proof: str
    proof: Bytes
    comm_r_old: Bytes32
    comm_r_new: Bytes32
    comm_d_new: Bytes32


class SnapDecode(StageTask[Literal[True]]):
    """Write the bit-padded data of an upgraded sector, as long as the sector, to ``out_path``."""

    stage = "snap_decode"
    answer = TypeAdapter(Literal[True])

    registered_proof: str
    out_path: str
    replica_path: str
    replica_cache_path: str
    sector_path: str
    sector_cache_path: str
    comm_d_new: Bytes32


class Unseal(StageTask[int]):
    """Write a range of a sealed sector's data to ``out_path``; ``offset`` and ``size`` in unpadded bytes."""

    stage = "unseal"
    answer = TypeAdapter(int)

    registered_proof: str
    cache_path: str
    sealed_path: str
    out_path: str
    prover_id: Bytes32
    sector_id: int
    comm_d: Bytes32
    ticket: Bytes32
    offset: int
    size: int
