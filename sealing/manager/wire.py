"""The models of the manager's JSON-RPC, shared by the client and the embedded manager.

The JSON side is the wire, exactly; the Python side holds the domain's values: 32 bytes are ``Hex32`` in Python and an
array of integers or base64 in JSON. Models that have a counterpart in the domain convert by ``of`` and ``value``.
Validate JSON with ``strict=True``, so that a wrong type is an error and not a guess.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator
from pydantic.alias_generators import to_pascal

from sealing.failures import Level
from sealing.flow.events import Allocate
from sealing.manager.encoding import (
    Bytes32,
    Count,
    CountOrNull,
    Epoch,
    Flag,
    PaddedSize,
    Payload,
    ProofType,
    Random32,
    Text,
    codes_of,
    one_of,
)
from sealing.values import Deal, Frozen, SectorId, Seed, Ticket


class Wire(Frozen):
    """Base of the wire's models: PascalCase in JSON, snake_case in Python, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_pascal, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


AS_INTEGER = PlainSerializer(int, when_used="json")


class SubmitRes(IntEnum):
    """What the manager did with a submission."""

    Accepted = 1
    DuplicateSubmit = 2
    MismatchedSubmission = 3
    Rejected = 4
    FilesMissed = 5


class OnChain(IntEnum):
    """Where a message stands."""

    Pending = 1
    Packed = 2
    Landed = 3
    NotFound = 4
    Failed = 5
    PermFailed = 6
    ShouldAbort = 7


UNDECIDED = frozenset({OnChain.Pending, OnChain.Packed})
"""A message of which this is said is waited for."""


class Id(Wire):
    """A sector's identity."""

    miner: Count
    number: Count

    @classmethod
    def of(cls, sector: SectorId) -> Id:
        """Return the wire's form of ``sector``."""
        return cls(miner=sector.miner, number=sector.number)

    def value(self) -> SectorId:
        """Return the domain's form."""
        return SectorId(miner=self.miner, number=self.number)


class AllocateSpec(Wire):
    """Which sectors a worker would take. Empty or null means any."""

    allowed_miners: Annotated[tuple[Count, ...], Field(fail_fast=True)] | None = ()
    allowed_proof_types: Annotated[tuple[int, ...], Field(fail_fast=True)] | None = ()


class AllocatedSector(Wire):
    """A sector and its seal proof type."""

    id: Id = Field(alias="ID")
    proof_type: ProofType

    def value(self) -> Allocate:
        """Return the event that starts a sector's task."""
        return Allocate(id=self.id.value(), proof_type=self.proof_type)


class AcquireDealsSpec(Wire):
    """How many deals a sector may hold, and the bytes that they must fill at least. Null means no limit."""

    max_deals: Count | None = None
    min_used_space: Count | None = None


class Cid(Wire):
    """A CID as JSON writes it."""

    text: str = Field(alias="/", min_length=1, max_length=256)


class PieceInfo(Wire):
    """A piece: its padded size in bytes and its CID, which a filler may lack."""

    size: PaddedSize
    piece_cid: Cid | None = Field(default=None, alias="PieceCID")


class DealInfo(Wire):
    """Which deal or allocation a piece belongs to. ``payload_size`` is the client's data in bytes."""

    deal_id: CountOrNull = Field(default=0, alias="DealID")
    allocation_id: CountOrNull = Field(default=0, alias="AllocationID")
    payload_size: CountOrNull = 0
    is_builtin_market: Flag = False

    @property
    def is_filler(self) -> bool:
        """Whether the piece is there only to fill the sector."""
        return (self.deal_id if self.is_builtin_market else self.allocation_id) == 0


class DealPiece(Wire):
    """A piece with its deal."""

    piece: PieceInfo
    deal_info: DealInfo

    @classmethod
    def of(cls, deal: Deal) -> DealPiece:
        """Return the wire's form of ``deal``."""
        return cls(
            piece=PieceInfo(size=deal.size, piece_cid=Cid(text=deal.piece_cid) if deal.piece_cid else None),
            deal_info=DealInfo(
                deal_id=deal.deal_id,
                allocation_id=deal.allocation_id,
                payload_size=deal.payload_size,
                is_builtin_market=deal.deal_id != 0,
            ),
        )

    def value(self) -> Deal:
        """Return the domain's form, in which a filler has neither id.

        Raises ValueError for a piece of a deal without a CID: its data could not be found.
        """
        info, cid = self.deal_info, self.piece.piece_cid
        if cid is None and not info.is_filler:
            msg = f"the piece of deal {info.deal_id}, allocation {info.allocation_id} has no PieceCID"
            raise ValueError(msg)
        return Deal(
            piece_cid="" if cid is None else cid.text,
            size=self.piece.size,
            payload_size=info.payload_size,
            deal_id=info.deal_id if info.is_builtin_market else 0,
            allocation_id=0 if info.is_filler else info.allocation_id,
        )


class SealTicket(Wire):
    """Randomness for PC1."""

    ticket: Random32
    epoch: Epoch

    @classmethod
    def of(cls, ticket: Ticket) -> SealTicket:
        """Return the wire's form of ``ticket``."""
        return cls(ticket=ticket.ticket, epoch=ticket.epoch)

    def value(self) -> Ticket:
        """Return the domain's form."""
        return Ticket(ticket=self.ticket, epoch=self.epoch)


class SealSeed(Wire):
    """Randomness for C1."""

    seed: Random32
    epoch: Epoch

    @classmethod
    def of(cls, seed: Seed) -> SealSeed:
        """Return the wire's form of ``seed``."""
        return cls(seed=seed.seed, epoch=seed.epoch)

    def value(self) -> Seed:
        """Return the domain's form."""
        return Seed(seed=self.seed, epoch=self.epoch)


class PreCommit(Wire):
    """What a pre-commit says about the sector."""

    comm_r: Bytes32
    comm_d: Bytes32
    ticket: SealTicket


class SealProofBytes(Wire):
    """A proof."""

    proof: Payload


class Submitted(Wire):
    """The answer to a submission; ``desc`` says why, where there is something to say."""

    res: Annotated[SubmitRes, PlainValidator(one_of(SubmitRes)), AS_INTEGER, codes_of(SubmitRes)]
    desc: Text = ""


class Polled(Wire):
    """Where a sector's message stands, and what the chain says about it."""

    state: Annotated[OnChain, PlainValidator(one_of(OnChain)), AS_INTEGER, codes_of(OnChain)]
    desc: Text = ""


class SeedWait(Wire):
    """The answer to WaitSeed: the seed, or how many seconds to wait for it, or neither."""

    should_wait: Flag = False
    delay: CountOrNull = 0
    seed: SealSeed | None = None


class WorkerIdentity(Wire):
    """Which worker holds the sector, and in which location."""

    instance: Text = ""
    location: Text = ""


class StateChange(Wire):
    """A transition, in the flow's own names."""

    prev: Text = ""
    next: Text = ""
    event: Text = ""


class FailureReport(Wire):
    """Why a task is held up."""

    level: Level
    desc: Text = ""


class SectorReport(Wire):
    """A sector's state as its worker sees it."""

    worker: WorkerIdentity
    state_change: StateChange
    failure: FailureReport | None = None


class Reported(Wire):
    """The answer to a report: whether the task was ended from the manager's side, and why."""

    id: Id | None = None
    finalized: Flag = False
    reason: Text = Field(default="", alias="AbortReason")


class StoreInfo(Wire):
    """A permanent store as the manager knows it."""

    name: str
    path: str
    meta: dict[str, str] | None = None


class PingSummary(Wire):
    """How many of a worker's threads are in which state."""

    threads: Count = 0
    empty: Count = 0
    paused: Count = 0
    running: Count = 0
    waiting: Count = 0
    errors: Count = 0


class WorkerPing(Wire):
    """A sign of life. ``dest`` is the host and port of the worker's own JSON-RPC, seen from the manager."""

    name: str
    dest: str
    version: Text = ""
    summary: PingSummary = PingSummary()
