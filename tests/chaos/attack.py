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
TRIES = 3
"""How often a point is tried, and not come to, before it is as one that was died at."""


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
    tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same, and how often a point was not come to when it should have been died at."""

    def points(self) -> list[tuple[str, str]]:
        """Return the points that are known so far, each with its program's name."""
        return [(program.name, point) for program in self._mortals() for point in program.points]

    def left(self) -> list[tuple[str, str]]:
        """Return those at which nothing has died yet."""
        return [each for each in self.points() if not self.deaths[each]]

    def is_one_worth_a_try(self) -> bool:
        """Tell whether there is a point at which nothing has died, and that was not tried too often."""
        return any(self.tries[each] < TRIES for each in self.left())

    def next_points(self) -> tuple[Program, list[str]]:
        """Return a program, and some of the points that were tried least often. Raises Missed where none is known."""
        known = self.points()
        if not known:
            raise Missed("no point is known")
        least = min(self.tries[each] for each in known)
        found = [each for each in known if self.tries[each] == least]
        name, _ = self.chance.choice(found)
        points = [point for of, point in found if of == name]
        program = next(each for each in self._mortals() if each.name == name)
        return program, self.chance.sample(points, math.ceil(len(points) * SOME))

    def note_death(self, program: Program, points: list[str], died_at: str | None) -> None:
        """Note at which of its points a program has died, or that it came to none."""
        for point in points if died_at is None else [died_at]:
            self.tries[program.name, point] += 1
        if died_at is not None:
            self.deaths[program.name, died_at] += 1

    def _mortals(self) -> tuple[Program, Program]:
        return self.site.worker, self.site.manager
