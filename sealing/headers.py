"""Numbers in the headers of somebody else's HTTP."""

from __future__ import annotations

import re

_COUNT = re.compile(r"[0-9]{1,19}")


def count_of(text: str | None) -> int | None:
    """Return the count that a header holds, or None for none: Python refuses to read a number of 4,301 digits."""
    return int(text) if text is not None and _COUNT.fullmatch(text) else None
