"""How figures are told that were measured several times."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """Return the median, its unit if it has one, and the least and the greatest value."""
    middle, least, most = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{f'{middle} {unit}'.strip()} ({least} to {most})"
