"""Small frozen values that events, sectors and the wire share. Each goes into workflow history: keep them small."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of every model: immutable, and tolerant of unknown fields, so that an older worker reads newer history."""

    model_config = ConfigDict(frozen=True)


Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes (a commitment, randomness) as 64 lower-case hex digits: readable in the Web UI."""

Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
"""Bytes of any length as standard base64."""


_NAMED = re.compile(r"(?:s-)?(?:t0?)?([0-9]{1,20})-([0-9]{1,20})")


class SectorId(Frozen):
    """A sector's identity on chain: the miner's actor id and the sector's number."""

    miner: Annotated[int, Field(ge=0, lt=2**64)]
    number: Annotated[int, Field(ge=0, lt=2**64)]

    def __str__(self) -> str:
        """Return the name used for files and search, such as ``s-t01000-5``."""
        return f"s-t0{self.miner}-{self.number}"

    @classmethod
    def named(cls, text: str) -> Self | None:
        """Return the sector that a person names, as s-t01000-5, t01000-5 or 1000-5; None for any other text."""
        parts = _NAMED.fullmatch(text)
        if parts is None or max(int(parts[1]), int(parts[2])) >= 1 << 64:
            return None
        return cls(miner=int(parts[1]), number=int(parts[2]))


class Piece(Frozen):
    """A piece as it stands in the staged data. ``size`` is padded, in bytes."""

    commitment: Hex32
    size: int


class Deal(Frozen):
    """A deal's piece that goes into a sector. ``size`` is padded; ``payload_size`` is the client's data, both bytes.

    A filler has neither a deal nor an allocation id and is all zeros.
    """

    piece_cid: str
    size: int
    payload_size: int = 0
    deal_id: int = 0
    allocation_id: int = 0

    @property
    def is_filler(self) -> bool:
        """Whether the piece is there only to fill the sector."""
        return not self.deal_id and not self.allocation_id


class Ticket(Frozen):
    """Chain randomness for PC1, its epoch, and when this worker drew it (seconds since 1970), to know its age."""

    ticket: Hex32
    epoch: int
    drawn_at: float = 0.0


class Seed(Frozen):
    """Chain randomness for C1 and its epoch."""

    seed: Hex32
    epoch: int


class FileRef(Frozen):
    """A large output that stays on the machine: where, how many bytes, and their SHA-256."""

    path: str
    size: int
    sha256: Hex32


class Parcel(Frozen):
    """A large input on its way to another machine: its bytes and their SHA-256, and where the compressed content is.

    Either ``inline``, or with a driver of the SDK's external storage, by its name and what it was told to find it by.
    """

    size: int
    sha256: Hex32
    inline: Base64 | None = None
    driver: str = ""
    claim: dict[str, str] = Field(default={})


UNKNOWN = "0" * 64
"""The digest of a submission that may have arrived, and of which no answer came."""


class Submission(Frozen):
    """What was last sent to the chain: the SHA-256 of the content, so that a change of it is noticed.

    ``round`` is the sector's at that time, ``ticket_epoch`` that of the ticket in a pre-commit. ``at`` is when it was
    sent, in seconds since 1970; 0 where that is not known.
    """

    digest: Hex32
    round: int = 0
    ticket_epoch: int | None = None
    at: float = 0.0

    @property
    def is_certain(self) -> bool:
        """Whether it surely arrived: of one that was let go of under way nobody knows."""
        return self.digest != UNKNOWN


class Upgrade(Frozen):
    """What a snap-up needs of the sector that it upgrades: the old replica's commitment and the store that holds it."""

    comm_r: Hex32
    access_instance: str
