"""How soon a message can have landed, learned from those that have: before, the manager is not asked in vain.

A manager that holds the question until it can answer is never asked in vain: it is asked at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from enum import StrEnum

REMEMBERED = 20
"""Landings of a kind that are looked back on."""
ENOUGH = 3
"""As many tell something."""
LOOKS_SAVED = 10
"""Looks that are left out at most: a message that lands sooner than all before it is seen by so much later."""
IN_TIME = 2
"""Intervals within which a look must follow another to tell when a message landed: after a longer gap, because the
manager or the worker was away, nobody knows."""
WAITED_FOR = 4096
"""Messages of which the last look is remembered: those that others see landing are never heard of again."""


class Message(StrEnum):
    """The messages of a sector that are waited for: what is learned of one kind says nothing of the other."""

    PRECOMMIT = "pre-commit"
    PROOF = "proof"


class Rhythm:
    """What one worker has seen. Seconds are those from a message's sending to a look at it."""

    def __init__(self) -> None:
        """Know nothing."""
        self._too_soon: dict[Message, deque[float]] = {kind: deque(maxlen=REMEMBERED) for kind in Message}
        """When each was looked at for the last time before it had landed."""
        self._waiting: dict[Hashable, float] = {}
        self.is_held: bool | None = None
        """Whether the manager held the last question, or would have; None: none was asked yet, which is how to know."""

    def first_look(self, kind: Message, interval: float) -> float:
        """Return how long after its sending a message of a kind is first worth a look, of which one is an interval.

        In the epoch in which it is sent none lands.
        """
        if self.is_held is not False:
            return 0.0
        known = self._too_soon[kind]
        return max(interval, min(*known, LOOKS_SAVED * interval)) if len(known) >= ENOUGH else interval

    def waits(self, which: Hashable, age: float) -> None:
        """Remember that a message has not landed so long after its sending. ``which`` tells it from all others."""
        self._waiting.pop(which, None)
        self._waiting[which] = age
        if len(self._waiting) > WAITED_FOR:
            del self._waiting[next(iter(self._waiting))]

    def landed(self, kind: Message, which: Hashable, age: float, interval: float) -> None:
        """Learn from a message that was found landed, if it was looked at in time; by a first look it may have long."""
        before = self._waiting.pop(which, None)
        if before is None:
            if age < self.first_look(kind, interval) + interval:
                self._too_soon[kind].append(age / 2 - interval)
        elif age - before < IN_TIME * interval:
            self._too_soon[kind].append(before)
