"""A location's claim: which sector is its thread's. Written as soon as the manager gives one, gone with the sector."""

from __future__ import annotations

from pathlib import Path

from sealing import foreign
from sealing.sector import SectorInput
from sealing.stores import durable
from sealing.values import Frozen

LIMIT = 4 << 20
"""Bytes of a claim that are read: what is in it went to Temporal as well, which takes 2 MB."""


PROBE = "claim.probe"
"""The file by which it is seen whether a claim could be written."""


class Claim(Frozen):
    """The task that occupies a location, as it was when it began."""

    task: SectorInput
    before: str | None = ""
    """The last run of the task's workflow id when the sector was taken: an earlier task's, whose end is not this one's.

    None: that has yet to be looked up, so the task has not begun. In claims that do not say, there was none.
    """


def read_claim(location: str) -> Claim | None:
    """Return the location's claim, if there is one. A broken one is a ValueError: it may stand for a sector."""
    path = claim_path(location)
    try:
        text = foreign.read(path, LIMIT)
    except FileNotFoundError:
        return None
    return Claim.model_validate_json(text)


def write_claim(location: str, claim: Claim) -> None:
    """Claim the location, atomically and synced."""
    durable.write(claim_path(location), claim.model_dump_json(indent=1).encode())


def probe_claim(location: str) -> None:
    """Raise OSError where a claim could not be written: better before a sector is asked for than after.

    What a worker that was killed while it wrote one has left goes: nobody else writes here, for there is no sector.
    """
    path = claim_path(location).with_name(PROBE)
    for written in (claim_path(location), path):
        durable.sweep(written)
    durable.write(path, b"x" * 4096)
    durable.remove(path)


def remove_claim(location: str) -> None:
    """Free the location."""
    path = claim_path(location)
    if path.exists():
        durable.remove(path)
        durable.sync(path.parent)


def claim_path(location: str | Path) -> Path:
    """Return the claim's file."""
    return Path(location) / "data" / "claim.json"
