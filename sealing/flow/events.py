"""The events of both flows. An event's fields are the sector's fields that it sets: applying it is one copy.

Every event sets at least one field, also one that only proves that something happened. On the wire an event carries
its name beside its fields, so that one decoder serves every step.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, SerializeAsAny

from sealing.values import (
    Base64,
    Deal,
    FileRef,
    Frozen,
    Hex32,
    Piece,
    SectorId,
    Seed,
    Submission,
    Ticket,
    Upgrade,
)


class Event(Frozen):
    """Something that happened to a sector. Subclasses are named as in the seed document."""

    @classmethod
    def sets(cls) -> frozenset[str]:
        """Return the names of the sector's fields that this event sets."""
        return frozenset(cls.model_fields)


class Allocate(Event):
    """A new sector was given by the manager."""

    id: SectorId
    proof_type: int


class AllocatedSnapUpSector(Event):
    """A finished sector was given to be upgraded, with the deals that go into it."""

    id: SectorId
    proof_type: int
    deals: tuple[Deal, ...]
    upgrade: Upgrade


class AcquireDeals(Event):
    """The sector's deals are known; none for a sector without data."""

    deals: tuple[Deal, ...]


class AddPiece(Event):
    """The staged file holds the sector's pieces."""

    pieces: tuple[Piece, ...]


class BuildTreeD(Event):
    """The data's Merkle tree is at this path on the sector's machine."""

    tree_d: str


class AssignTicket(Event):
    """Randomness for PC1 was drawn."""

    ticket: Ticket


class TicketExpired(Event):
    """The chain would refuse this ticket: the sector goes back for a new one."""

    expired_ticket: Ticket


class PC1(Event):
    """The labels are computed; PC1's output is in this file."""

    pc1_output: FileRef


class PC2(Event):
    """The replica is encoded and has these commitments."""

    comm_r: Hex32
    comm_d: Hex32


class PC2NeedSyntheticProof(PC2):
    """As PC2, for a proof type that needs synthetic vanilla proofs before its layers may go."""

    synthetic_needed: Literal[True] = True


class SyntheticPoRep(Event):
    """The synthetic vanilla proofs are at this path on the sector's machine."""

    synthetic_proofs: str


class SubmitPC(Event):
    """The manager took the pre-commit. Settles an earlier failure on chain."""

    precommit_sent: Submission
    precommit_failed: None = None


class ReSubmitPC(Event):
    """The pre-commit failed on chain, for this reason, and is to be sent again."""

    precommit_failed: str


class CheckPC(Event):
    """The pre-commit landed; the chain's own words, if any."""

    precommit_landed: str


class Persist(Event):
    """The sector's files are in this permanent store."""

    persisted_in: str


class SubmitPersistance(Event):
    """The manager confirmed that this store holds the sector's files."""

    persistence_confirmed: str


class RePersist(Event):
    """The manager did not find the files in the store: they are to be stored again."""

    persistence_refused: str


class AssignSeed(Event):
    """Randomness for C1 was drawn."""

    seed: Seed


class C1(Event):
    """The vanilla proofs are in this file."""

    c1_output: FileRef


class C2(Event):
    """The Groth16 proof, 192 bytes a partition, which ``verify_seal`` accepted on the sector's machine."""

    proof: Base64


class SubmitProof(Event):
    """The manager took the proof. Settles an earlier failure on chain."""

    proof_sent: Submission
    proof_failed: None = None


class ReSubmitProof(Event):
    """The proof failed on chain, for this reason, and is to be sent again."""

    proof_failed: str


class SnapEncode(Event):
    """The data is encoded into a new replica, which has these commitments."""

    comm_r: Hex32
    comm_d: Hex32


class SnapProve(Event):
    """The update's Groth16 proof, verified on the sector's machine."""

    proof: Base64


class Finish(Event):
    """The proof landed, or its check was skipped: ``landed``, ``unchecked`` or, for a snap-up, ``accepted``."""

    proof_outcome: str


def event_classes() -> dict[str, type[Event]]:
    """Return every event by its name."""
    found: dict[str, type[Event]] = {}
    pending = [Event]
    while pending:
        for child in pending.pop().__subclasses__():
            found[child.__name__] = child
            pending.append(child)
    return found


def _decode(raw: Any) -> Any:  # noqa: ANN401 - the raw side of a validator is anything at all
    if isinstance(raw, Event):
        return raw
    if not isinstance(raw, dict) or raw.get("event") not in (classes := event_classes()):
        msg = f"not an event: {str(raw)[:200]}"
        raise ValueError(msg)
    return classes[raw["event"]].model_validate({name: value for name, value in raw.items() if name != "event"})


def _encode(event: Event) -> dict[str, Any]:
    return {"event": type(event).__name__, **event.model_dump(mode="json")}


AnyEvent = Annotated[SerializeAsAny[Event], BeforeValidator(_decode), PlainSerializer(_encode)]
"""Any event, with its name on the wire."""
