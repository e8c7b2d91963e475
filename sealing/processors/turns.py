"""The rules of admission, without a clock and without waiting: who may run on a machine now, and what others wait for.

A job needs a slot of its stage, a processor that has one free, and one of each lock that the processor names. It gets
all of these at once or none, so that no two can wait for each other. A stage whose starts are staggered lets one in
only so long after the one before.

The order of the waiting: who is furthest on goes first, for that ends a sector and frees its thread, and of equals who
came first. Before all these goes whose ticket or deadline ends within hours, the first end first. What has no such end
is given one a day after it came: nothing waits for ever behind others that keep coming. One that waits for a lock keeps
those that are free from all behind it; otherwise stages that need one lock each would pass by for ever one that needs
two.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sealing.processors.processor import Processor

PATIENCE = 24 * 3600.0
"""Seconds after which a job without an end of its own is due: as long as a ticket is good."""
URGENT = 6 * 3600.0
"""Seconds before its end from which on that counts alone: PC1 of a large sector, and an hour for what follows."""
KEPT_STARTS = 100
"""Starts of a stage that are remembered: the last counts, unless it is taken back."""


@dataclass(frozen=True)
class Limits:
    """What the configuration allows on one machine: jobs of a stage, seconds between two starts, holders of a lock."""

    concurrent: Mapping[str, int] = field(default_factory=dict)
    staggered: Mapping[str, float] = field(default_factory=dict)
    locks: Mapping[str, int] = field(default_factory=dict)

    def is_full(self, lock: str, held: int) -> bool:
        """Tell whether a lock takes no more holders; one that nothing is said about takes any number."""
        return lock in self.locks and held >= self.locks[lock]


@dataclass(frozen=True)
class Ask:
    """A job that wants to run: its stage, its folder, and the processors of which any will do.

    ``due`` is when its ticket or deadline ends, in seconds since 1970. ``progress`` is how far on its sector is.
    """

    stage: str
    key: Path
    processors: Sequence[Processor]
    due: float | None = None
    progress: int = 0
    came: float | None = None
    """When it was wanted first, in seconds since 1970, where that was before it asked here."""


class Lack(StrEnum):
    """What a job may wait for."""

    slot = "slot"
    processor = "processor"
    lock = "lock"
    start = "start"


@dataclass(frozen=True)
class Reason:
    """Why a job waits: what it lacks, and in words for people."""

    lack: Lack
    text: str
    locks: tuple[str, ...] = ()
    """The locks, where these are what it lacks."""


class Run(NamedTuple):
    """A job that runs: its stage, its processor, and when it was started, in seconds since 1970."""

    stage: str
    processor: Processor
    started: float


@dataclass(eq=False)
class Waiter:
    """One that waits, ``since`` in seconds since 1970."""

    ask: Ask
    since: float
    number: int
    why: Reason | None = None

    @property
    def came(self) -> float:
        """When it was wanted first: who asks anew, as a job of a shared queue does, does not come anew."""
        return self.since if self.ask.came is None else self.ask.came

    @property
    def due(self) -> float:
        """When its ticket or deadline ends, or its patience."""
        return self.came + PATIENCE if self.ask.due is None else self.ask.due

    @property
    def urgent_from(self) -> float:
        """When its end begins to count alone."""
        return self.due - URGENT

    def order(self, now: float) -> tuple[float, int, float, int]:
        """Return its rank at a time: what is smaller goes first."""
        return self.due if self.urgent_from <= now else math.inf, -self.ask.progress, self.came, self.number


class Turns:
    """The jobs of one machine that run and that wait. Times are given by the caller and never go back."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing running."""
        self.limits = limits
        self.running: dict[Path, Run] = {}
        self._waiting: list[Waiter] = []
        self._numbers = itertools.count()
        self._starts: dict[str, list[tuple[float, Path]]] = {}
        self._slots: Counter[str] = Counter()
        self._at: Counter[str] = Counter()
        self._held: Counter[str] = Counter()

    def waiting(self, now: float) -> list[Waiter]:
        """Return those that wait, first in turn first."""
        return sorted(self._waiting, key=lambda waiter: waiter.order(now))

    def ask(self, ask: Ask, now: float) -> Waiter:
        """Begin to wait."""
        waiter = Waiter(ask, now, next(self._numbers))
        self._waiting.append(waiter)
        return waiter

    def give_up(self, waiter: Waiter) -> None:
        """Wait no more."""
        self._waiting.remove(waiter)

    def occupy(self, stage: str, key: Path, processor: Processor, started: float) -> None:
        """Count a job that runs, whatever the limits say: it does run."""
        self.running[key] = Run(stage, processor, started)
        self._slots[stage] += 1
        self._at[processor.name] += 1
        self._held.update(set(processor.locks))
        starts = self._starts.get(stage, [])
        self._starts[stage] = sorted([*starts, (started, key)])[-KEPT_STARTS:]

    def take_back_start(self, key: Path) -> None:
        """Let a job that was let in, and had to wait before it could begin, count for no staggered start."""
        stage = self.running[key].stage
        self._starts[stage] = [start for start in self._starts[stage] if start[1] != key]

    def free(self, key: Path) -> None:
        """Count a job no more."""
        stage, processor, _ = self.running.pop(key)
        self._slots[stage] -= 1
        self._at[processor.name] -= 1
        self._held.subtract(set(processor.locks))

    def grant(self, now: float) -> Iterator[tuple[Waiter, Processor]]:
        """Let in all who may, in order, and note of the others why they wait."""
        kept: set[str] = set()
        for waiter in self.waiting(now):
            found = self._place(waiter.ask, kept, now)
            if isinstance(found, Reason):
                waiter.why = found
                kept |= self._keeps(waiter.ask, found)
            else:
                self._waiting.remove(waiter)
                yield waiter, found

    def look_again(self, now: float) -> float | None:
        """Return when who waits may be let in though nothing ends, or None.

        That is when a staggered start becomes possible, or when one becomes urgent, and so goes before others for whom
        locks are kept.
        """
        starts = (self._may_start(waiter.ask.stage) for waiter in self._waiting)
        urgent = (waiter.urgent_from for waiter in self._waiting)
        return min((at for at in itertools.chain(starts, urgent) if at > now), default=None)

    def used(self, stage: str) -> int:
        """Return how many jobs of a stage run."""
        return self._slots[stage]

    def first_started(self, stage: str) -> float | None:
        """Return when the job of a stage was started that runs the longest."""
        return min((run.started for run in self.running.values() if run.stage == stage), default=None)

    def holding(self, lock: str) -> list[Path]:
        """Return the jobs that hold a lock."""
        return [key for key, run in self.running.items() if lock in run.processor.locks]

    def _place(self, ask: Ask, kept: set[str], now: float) -> Processor | Reason:
        """Take a place for a job and return its processor, or the first thing that it lacks."""
        if ask.key in self.running:
            return self.running[ask.key].processor
        if reason := self._closed(ask.stage, now):
            return reason
        open_ones = self._open(ask)
        if not open_ones:
            return Reason(Lack.processor, f"a processor of {ask.stage}: all are busy")
        for processor in open_ones:
            if not any(self._is_taken(lock) or lock in kept for lock in processor.locks):
                self.occupy(ask.stage, ask.key, processor, now)
                return processor
        return self._no_lock(open_ones[0])

    def _closed(self, stage: str, now: float) -> Reason | None:
        total = self.limits.concurrent.get(stage)
        if total is not None and self._slots[stage] >= total:
            return Reason(Lack.slot, f"a slot of {stage}: {self._slots[stage]} of {total} in use")
        if (left := self._may_start(stage) - now) > 0:
            return Reason(Lack.start, f"its start: {stage} is staggered, the next in {left:.0f} s")
        return None

    def _may_start(self, stage: str) -> float:
        gap, starts = self.limits.staggered.get(stage), self._starts.get(stage)
        return starts[-1][0] + gap if gap is not None and starts else 0.0

    def _open(self, ask: Ask) -> list[Processor]:
        """Return the processors that take one more, the least busy first."""
        found = [each for each in ask.processors if each.concurrent is None or self._at[each.name] < each.concurrent]
        return sorted(found, key=lambda each: self._at[each.name])

    def _is_taken(self, lock: str) -> bool:
        return self.limits.is_full(lock, self._held[lock])

    def _no_lock(self, processor: Processor) -> Reason:
        for lock in sorted(processor.locks):
            if self._is_taken(lock):
                holders = ", ".join(sorted(f"{key.parent.name} {key.name}" for key in self.holding(lock)))
                return Reason(Lack.lock, f"lock {lock}: held by {holders}", (lock,))
        locks = tuple(sorted(processor.locks))
        return Reason(Lack.lock, f"its locks, which are kept for one before it: {', '.join(locks)}", locks)

    def _keeps(self, ask: Ask, why: Reason) -> set[str]:
        """Return the locks that nobody behind this one may take: those that it still needs with another."""
        return set(self._open(ask)[0].locks) if why.lack is Lack.lock else set()
