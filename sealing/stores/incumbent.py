"""What the other worker has left in a thread's location: its database in ``meta/``, and a sector in ``data/``.

A sector that it has not finished is known to its database alone. Starting another one there would burn the number, and
mix two sectors' files.
"""

from __future__ import annotations

from pathlib import Path

from sealing.stores.claim import read_claim
from sealing.stores.layout import INCUMBENT_DATABASE

HOLDS = ("unsealed", "sealed", "cache", "prepared", "update", "update-cache")
"""The folders in ``data/`` in which a sector's files are."""
SHOWN = 3
"""Files that are named; the others are counted."""

IDLE = (
    f"holds the other worker's database ({INCUMBENT_DATABASE}/) and no sector: this worker leaves it alone, and the "
    "other one can be started again when this thread has none either"
)


def unfinished(location: Path) -> str | None:
    """Return that the other worker's sector is in a location and, after a semicolon, what to do; None where none is.

    A sector that our own claim speaks of is ours.
    """
    if not (location / INCUMBENT_DATABASE).exists():
        return None
    try:
        others = _others(location)
    except OSError as error:
        return f"cannot be searched for the other worker's sector ({error}); let this user read {location / 'data'}"
    except ValueError:
        return f"has a claim that cannot be read; correct or restore {location / 'data' / 'claim.json'}"
    if not others:
        return None
    names = ", ".join(str(path.relative_to(location)) for path in others[:SHOWN])
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return (
        f"holds a sector that the other worker has not finished ({names}{more}); start that worker once more and let "
        "it finish or abort the sector, or move its files away, or give this thread another folder"
    )


def is_idle(location: Path) -> bool:
    """Tell whether the other worker was here and has left no sector."""
    return (location / INCUMBENT_DATABASE).exists() and unfinished(location) is None


def _others(location: Path) -> list[Path]:
    """Return the entries in ``data/`` that are of no sector of ours."""
    claim = read_claim(str(location))
    ours = str(claim.task.sector.id) if claim else None
    folders = [location / "data" / name for name in HOLDS]
    entries = [entry for folder in folders if folder.is_dir() for entry in sorted(folder.iterdir())]
    return [entry for entry in entries if entry.name != ours]
