"""How soon a message can have landed, learned from those that have: before, the manager is not asked in vain."""

from __future__ import annotations

from collections import defaultdict, deque

REMEMBERED = 20
"""Landings of a kind that are looked back on."""
ENOUGH = 3
"""As many tell something."""
LOOKS_SAVED = 10
"""Looks that are left out at most: a message that lands sooner than all before it is seen by so much later."""


class Rhythm:
    """What one worker has seen. Seconds are those from a message's sending to the look that found it landed."""

    def __init__(self) -> None:
        """Know nothing."""
        self._took: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def first_look(self, kind: str, interval: float) -> float:
        """Return how long after its sending a message of a kind is first worth a look, of which one is an interval.

        In the epoch in which it is sent none lands.
        """
        took = self._took[kind]
        return max(interval, min(min(took) - interval, LOOKS_SAVED * interval)) if len(took) >= ENOUGH else interval

    def landed(self, kind: str, took: float, interval: float) -> None:
        """Learn from a message that was found landed; by the first look it may have been so for long."""
        was_first = took < self.first_look(kind, interval) + interval
        self._took[kind].append(took / 2 if was_first else took)
