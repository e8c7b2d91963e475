"""Forms of PromQL that the dashboards share."""

from __future__ import annotations

MEDIAN, MOST = 0.5, 0.95
"""The quantiles that are shown."""


def quantile(share: float, histogram: str, by: str, *, over: str = "$window", where: str = "") -> str:
    """Return the value below which that share of a histogram's values was, by some labels."""
    chosen = f"{{{where}}}" if where else ""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({histogram}_bucket{chosen}[{over}])))"


def mean(histogram: str, by: str, *, over: str = "$window") -> str:
    """Return the mean of a histogram's values, by some labels."""
    total, count = (f"sum by ({by}) (increase({histogram}{end}[{over}]))" for end in ("_sum", "_count"))
    return f"sort_desc({total} / {count})"


def counted(counter: str, *, over: str = "$window") -> str:
    """Return how often each series of a counter counted.

    ``increase`` alone does not see the first time, at which a series comes into being: most failures are the first of
    their kind. A series that was not there before the window has counted all of it within.
    """
    return f"(({counter} unless {counter} offset {over}) or increase({counter}[{over}]))"


def happened(counter: str, by: str, *, over: str = "$window") -> str:
    """Return how often something happened, by some labels, the most frequent first; what did not is left out."""
    return f"sort_desc(sum by ({by}) {counted(counter, over=over)} > 0)"


def agreed(gauge: str, by: str) -> str:
    """Return what every worker tells alike of its fleet, summed up over fleets."""
    return f"sum by ({by}) (max by (fleet, {by}) ({gauge}))"
