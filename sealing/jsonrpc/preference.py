"""For how long a caller would let its call be held until there is something to tell: ``Prefer: wait`` of RFC 7240.

A service that does not know the header ignores it and answers at once, as it always has. One that holds the call says
so in ``Preference-Applied``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

PREFER, APPLIED = "Prefer", "Preference-Applied"
LONGEST = 3600
"""Seconds that are understood at most, so that no number has an end of its own."""
_WAIT = re.compile(r'(?:^|,)[ \t]*wait[ \t]*=[ \t]*"?([0-9]{1,18})"?[ \t]*(?=[;,]|$)', re.IGNORECASE)


@dataclass
class Preference:
    """One call's: the seconds that its caller would wait, and those for which it is held, as whoever holds it says."""

    wait: int = 0
    applied: int = 0


def wait_of(headers: Iterable[str]) -> int:
    """Return the seconds that either header's lines name, the first that do; 0 where none does, or it is no number."""
    found = _WAIT.search(",".join(headers))
    return 0 if found is None else min(int(found[1]), LONGEST)


def waiting(seconds: int) -> str:
    """Return what either header says of so many seconds."""
    return f"wait={seconds}"
