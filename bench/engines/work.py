"""What every engine does: chains of steps that compute nothing, each with a result that is durable before the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HELD_FROM = 1_000_000
"""Chains from this number on are held in their middle."""
FOR_EVER = 3600.0
"""Seconds that a held step waits to be killed."""


@dataclass(frozen=True)
class Work:
    """A chain's steps by what each results in, and the folder in which held chains leave their marks."""

    results: Sequence[str]
    folder: Path

    @property
    def middle(self) -> int:
        """The number of the step in which a held chain's process is killed."""
        return len(self.results) // 2

    def first(self, steps: int) -> Work:
        """Return a chain of only so many steps."""
        return Work(self.results[:steps], self.folder)

    def mark(self, chain: int, step: int) -> Path:
        """Return the file that says that a step of a held chain has begun."""
        return self.folder / f"{chain}-{step}"

    def held(self, chain: int, step: int) -> bool:
        """Tell whether a step is to wait until its process is killed: the middle one, the first time.

        The one after it leaves a mark too, by which is known that the chain goes on.
        """
        if chain < HELD_FROM or step not in {self.middle, self.middle + 1}:
            return False
        mark = self.mark(chain, step)
        if mark.exists():
            return False
        mark.touch()
        return step == self.middle
