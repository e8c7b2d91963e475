"""An attack upon a site: what it has at hand, and at which points its blows have let a program die."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.programs import Program
from tests.chaos.site import Site
from tests.world.disks import Disk

SOME = 0.5
"""The part of the points in question at which a program is to die: not always the first of them that it comes to."""
TRIES = 5
"""How often a point is not come to before it is given up."""


class Missed(Exception):
    """The blow met nothing; the text says why."""


@dataclass
class Attack:
    """The site, what decides by chance, and what the attack knows: its disks, and which points were died at."""

    site: Site
    chance: random.Random
    disk: Disk | None = None
    store: Disk | None = None
    backing: Path | None = None
    deaths: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each program died at each of its points."""
    misses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often it did not come to a point at which it should have died."""

    def points(self) -> list[tuple[str, str]]:
        """Return the points that are known so far, each with its program's name."""
        return [(program.name, point) for program in self._mortals() for point in program.points]

    def left(self) -> list[tuple[str, str]]:
        """Return those at which nothing has died yet."""
        return [each for each in self.points() if not self.deaths[each]]

    def worth_a_try(self) -> list[tuple[str, str]]:
        """Return those of them that were not tried too often."""
        return [each for each in self.left() if self.misses[each] < TRIES]

    def next_points(self) -> tuple[Program, list[str]]:
        """Return a program, and some of its points that are worth a try, or of all where none is. Raises Missed."""
        found = self.worth_a_try() or self.points()
        if not found:
            raise Missed("no point is known")
        name, _ = self.chance.choice(found)
        points = [point for of, point in found if of == name]
        program = next(each for each in self._mortals() if each.name == name)
        return program, self.chance.sample(points, math.ceil(len(points) * SOME))

    def note_death(self, program: Program, points: list[str], died_at: str | None) -> None:
        """Note at which of its points a program has died, or that it came to none."""
        if died_at is None:
            self.misses.update((program.name, point) for point in points)
        else:
            self.deaths[program.name, died_at] += 1

    def _mortals(self) -> tuple[Program, Program]:
        return self.site.worker, self.site.manager
