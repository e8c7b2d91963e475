"""Who may run on a machine: our admission's own code, and two others to compare it with."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sealing.processors.processor import Processor
from sealing.processors.turns import Ask, Limits, Turns, Waiter


class Rule(Protocol):
    """Who may run on one machine. Times are given by the caller."""

    def ask(self, ask: Ask, now: float) -> Waiter:
        """Begin to wait."""

    def grant(self, now: float) -> Iterator[tuple[Waiter, Processor]]:
        """Let in all who may."""

    def free(self, key: Path) -> None:
        """Count a job no more."""

    def look_again(self, now: float) -> float | None:
        """Return when who waits may be let in though nothing ends, or None."""


class FirstCome(Turns):
    """Our admission, but who came first goes first."""

    def ask(self, ask: Ask, now: float) -> Waiter:
        """Forget what else would tell who goes first."""
        return super().ask(replace(ask, due=None, progress=0), now)


@dataclass(eq=False)
class _Held:
    """What a waiter has taken so far of what it needs, in this order."""

    waiter: Waiter
    needs: list[str]
    taken: int = 0


class OneByOne:
    """A thread takes one permit after the other, each in order of arrival, and keeps what it has."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing running."""
        self._limits = limits
        self._room = Counter({**{f"slot {name}": count for name, count in limits.concurrent.items()}, **limits.locks})
        self._queues: dict[str, list[_Held]] = defaultdict(list)
        self._waiting: list[_Held] = []
        self._running: dict[Path, list[str]] = {}
        self._last: dict[str, float] = {}
        self._numbers = itertools.count()

    def ask(self, ask: Ask, now: float) -> Waiter:
        """Begin to wait, for the stage's slot first, then for each lock."""
        waiter = Waiter(ask, now, next(self._numbers))
        needs = [f"slot {ask.stage}", *sorted(ask.processors[0].locks)]
        held = _Held(waiter, [need for need in needs if need in self._room])
        self._waiting.append(held)
        if held.needs:
            self._queues[held.needs[0]].append(held)
        return waiter

    def grant(self, now: float) -> Iterator[tuple[Waiter, Processor]]:
        """Let in all who have got what they need."""
        for held in list(self._waiting):
            while held.taken < len(held.needs) and self._take(held):
                pass
            ask = held.waiter.ask
            if held.taken == len(held.needs) and self._may_start(ask.stage) <= now:
                self._waiting.remove(held)
                self._running[ask.key] = held.needs
                self._last[ask.stage] = now
                yield held.waiter, ask.processors[0]

    def free(self, key: Path) -> None:
        """Give back what a job has held."""
        self._room.update(self._running.pop(key))

    def look_again(self, now: float) -> float | None:
        """Return when a staggered start becomes possible that somebody waits for, or None."""
        ready = (held.waiter.ask.stage for held in self._waiting if held.taken == len(held.needs))
        return min((at for stage in ready if (at := self._may_start(stage)) > now), default=None)

    def _take(self, held: _Held) -> bool:
        name = held.needs[held.taken]
        if self._queues[name][0] is not held or self._room[name] <= 0:
            return False
        self._room[name] -= 1
        self._queues[name].pop(0)
        held.taken += 1
        if held.taken < len(held.needs):
            self._queues[held.needs[held.taken]].append(held)
        return True

    def _may_start(self, stage: str) -> float:
        gap = self._limits.staggered.get(stage)
        return self._last[stage] + gap if gap is not None and stage in self._last else 0.0
