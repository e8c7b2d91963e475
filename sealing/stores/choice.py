"""Which permanent store a sector goes to: the worker says which ones come into question, the manager takes one.

A store comes into question if it takes new files, is there, and has room for the sector beside what other copies of
this worker will still write to its disk. Where a copy of the sector has begun it is gone on with, so that a second try
scatters nothing. The incumbent chooses by free space in the same way where ``enable_space_weighted`` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealing.stores import space
from sealing.stores.attached import Transfer
from sealing.stores.layout import part_of
from sealing.units import size_text

Draw = Callable[[int], int]
"""Returns a number from 0 to one less than what it is given, each as likely as the other."""


@dataclass(frozen=True)
class Candidate:
    """A store that is there. Sizes in bytes.

    ``room`` is what is free beside what other copies will write. ``missing`` is what a copy of the sector that has
    begun in the store still lacks; None where none has.
    """

    name: str
    room: int
    missing: int | None = None

    def fits(self, needed: int) -> bool:
        """Tell whether the sector, or the rest of it, has room."""
        return self.room >= (needed if self.missing is None else self.missing)


def offers(candidates: Sequence[Candidate], needed: int, draw: Draw | None = None) -> list[tuple[str, ...]]:
    """Return what to offer the manager one after the other until it takes one: each several names, of which it chooses.

    First is the store in which most of the sector is, if any; else, with ``draw``, one that is drawn by its room. The
    rest is offered together. Empty: no store comes into question.
    """
    fitting = sorted((each for each in candidates if each.fits(needed)), key=lambda each: each.name)
    begun = {each.name: each.missing for each in fitting if each.missing is not None}
    first = sorted(begun, key=lambda name: (begun[name], name))
    if not first and draw is not None and fitting:
        first = [_drawn(fitting, draw)]
    rest = tuple(each.name for each in fitting if each.name not in first)
    return [*((name,) for name in first), *([rest] if rest else [])]


def _drawn(fitting: Sequence[Candidate], draw: Draw) -> str:
    at = draw(max(1, sum(each.room for each in fitting)))
    for each in fitting:
        if at < each.room:
            return each.name
        at -= each.room
    return fitting[-1].name  # none has any room, and none is needed


def candidate(name: str, transfer: Transfer, needed: int, promised: int) -> Candidate:
    """Look at the store that a transfer would go to. ``promised`` is what other copies will write to its disk.

    Raises OSError for one that does not answer.
    """
    left, pairs = space.free(transfer.store), transfer.pairs
    lacking = [(source, part_of(target)) for source, target in pairs if not _is_whole(source, target)]
    begun = len(lacking) < len(pairs) or any(part.exists() for _, part in lacking)
    missing = sum(source.stat().st_size - _size(part) for source, part in lacking) if begun else None
    # Where the file system does not tell what is free the manager alone knows.
    return Candidate(name, needed if left is None else max(0, left - promised), missing)


def _is_whole(source: Path, target: Path) -> bool:
    return not target.is_symlink() and target.is_file() and target.stat().st_size == source.stat().st_size


def _size(part: Path) -> int:
    """Return the bytes of an unfinished copy, which the next one writes over."""
    return part.stat().st_size if part.exists() else 0


def in_words(candidates: Sequence[Candidate], away: Mapping[str, str]) -> str:
    """Return for each store what there is of it; ``away`` says why those are that are not there."""
    told = {each.name: f"{each.name} has {size_text(each.room)} left" for each in candidates}
    told |= {name: f"{name}: {why}" for name, why in away.items()}
    return ", ".join(told[name] for name in sorted(told)) or "no store that takes new files is attached"
