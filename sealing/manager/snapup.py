"""The models of the manager's JSON-RPC for snap-ups. Like those in ``wire``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sealing.flow.events import AllocatedSnapUpSector
from sealing.manager.encoding import Bytes32, Payload, Text
from sealing.manager.wire import AcquireDealsSpec, AllocatedSector, AllocateSpec, Cid, DealPiece, Wire
from sealing.values import Upgrade


class SnapUpSpec(Wire):
    """Which finished sectors a worker would upgrade, and what their deals must be like."""

    sector: AllocateSpec
    deals: AcquireDealsSpec


class ReplicaPublic(Wire):
    """What the chain knows of a replica."""

    comm_r: Bytes32


class ReplicaPrivate(Wire):
    """What only the provider knows of a replica: the store that holds it."""

    access_instance: Text = ""


class SnapUpSector(Wire):
    """A finished sector, its replica, and the pieces that go into it."""

    sector: AllocatedSector
    pieces: Annotated[tuple[DealPiece, ...], Field(fail_fast=True)] | None = ()
    public: ReplicaPublic
    private: ReplicaPrivate

    def value(self) -> AllocatedSnapUpSector:
        """Return the event that starts an upgrade. Raises ValueError as ``DealPiece.value`` does."""
        return AllocatedSnapUpSector(
            id=self.sector.id.value(),
            proof_type=self.sector.proof_type,
            deals=tuple(piece.value() for piece in self.pieces or ()),
            upgrade=Upgrade(comm_r=self.public.comm_r, access_instance=self.private.access_instance),
        )


class SnapUpProof(Wire):
    """An upgrade's new replica, the store that holds it, the CIDs of its pieces in their order, and the proof.

    A filler's CID is null where the manager gave none.
    """

    comm_r: Bytes32
    comm_d: Bytes32
    access_instance: str
    pieces: Annotated[tuple[Cid | None, ...], Field(fail_fast=True)]
    proof: Payload
