"""Room on a disk: how much there is, how much a stage needs, and the wait for a disk that is full.

A full disk fails no sector: it is waited for, and the wait says which disk it is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sealing.failures import Wait
from sealing.stores import durable
from sealing.stores.layout import SectorFiles, stage_space
from sealing.units import size_text

LOOK_AGAIN = 60.0
"""Seconds until a full disk is tried again: a job that fails for want of space is not started sooner."""
NEXT_TO_NONE = 1 << 20
"""Bytes free on a disk that a program has filled: an allocation that fails leaves less than that."""
SAID = ("No space left on device", "Disk quota exceeded", "File too large")
"""What programs say of a disk, a quota or a limit that is full."""


def full(what: str, remedy: str = "make room there") -> Wait:
    """Return the wait for space on a disk; ``what`` says which one, and what it is needed for."""
    return Wait(f"{what}; waiting for space: {remedy}", LOOK_AGAIN)


def no_space(where: object, error: OSError) -> Wait | None:
    """Return the wait for a full disk, or None if that is not what the error says."""
    if error.errno not in durable.NO_SPACE:
        return None
    return full(f"the disk of {where} is full ({error.strerror})")


def is_about_space(text: str) -> bool:
    """Tell whether a program's words say that a disk is full."""
    return any(said in text for said in SAID)


def free(path: Path) -> int | None:
    """Return the bytes that may still be written on the disk of ``path``, or None where that is not told.

    Some network file systems and the like know no total, and then tell no rest.
    """
    usage = shutil.disk_usage(path)
    return usage.free if usage.total else None


def is_full(path: Path) -> bool:
    """Tell whether the disk of ``path`` has next to no room."""
    left = free(path)
    return left is not None and left < NEXT_TO_NONE


def require_room(files: SectorFiles, stage: str, sector_size: int) -> None:
    """Raise Wait where the sector's disk has less room than ``stage`` will fill: better than after hours.

    Layers that are there already, which PC1 goes on from, are not needed again. What other sectors on the same disk
    are about to write is not counted: what they have room for changes with every stage, and a disk that becomes full
    in the middle is waited for as well.
    """
    needed = stage_space(stage, sector_size)
    if stage == "pc1":
        needed -= sum(path.stat().st_size for path in files.layers().values())
    left = free(files.root)
    if left is not None and left < needed:
        raise full(
            f"the disk of {files.root} has {size_text(left)} left, too full for {stage}, "
            f"which writes {size_text(needed)}"
        )
