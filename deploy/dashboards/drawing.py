"""Draws a panel: lines, bars, figures, or rows of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite, nan
from typing import Any, Self

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from deploy.dashboards.reading import Shown

BARS, ENTRIES = 12, 6
"""As many as are readable; what is beyond is told by its number."""
SMALL = 7
LONGEST = 34
"""Characters of a name: what distinguishes stands at its end."""
KIB, THOUSAND, MINUTE, HOUR = 1024, 1000, 60, 3600


@dataclass(frozen=True)
class Series:
    """One series of an answer, with its name, its times in seconds since 1970, and its values."""

    name: str
    times: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def read(cls, answer: Mapping[str, Any], legend: str) -> Self:
        """Read it from Prometheus' answer; the name is what the legend makes of the labels."""
        labels = answer["metric"]
        name = re.sub(r"\{\{(\w+)\}\}", lambda found: str(labels.get(found[1], "")), legend)
        points = answer.get("values") or [answer["value"]]
        times = tuple(float(at) for at, _ in points)
        name = name or _plain(labels)
        return cls(
            name if len(name) <= LONGEST else f"…{name[-LONGEST:]}", times, tuple(float(value) for _, value in points)
        )


def _plain(labels: Mapping[str, str]) -> str:
    return ", ".join(value for label, value in labels.items() if label not in {"__name__", "job"})


def draw(place: Axes, panel: Shown, series: Sequence[Series]) -> None:
    """Draw a panel into its place."""
    place.set_title(panel.title, fontsize=SMALL + 3, loc="left")
    place.tick_params(labelsize=SMALL)
    finite = [one for one in series if any(map(isfinite, one.values))]
    if not finite:
        _words(place, "none", SMALL + 6)
    elif panel.kind == "timeseries":
        _lines(place, panel, finite)
    elif panel.kind == "bargauge":
        _bars(place, panel, finite)
    elif panel.kind == "stat":
        _words(place, shown(finite[0].values[-1], panel.unit), SMALL + 20)
    else:
        _words(place, "\n".join(one.name for one in finite), SMALL)


def _words(place: Axes, text: str, size: int) -> None:
    place.text(0.5, 0.5, text, ha="center", va="center", fontsize=size, transform=place.transAxes)
    place.set(xticks=[], yticks=[])


def _lines(place: Axes, panel: Shown, series: Sequence[Series]) -> None:
    if panel.is_stacked:
        times = _grid(series)
        known = [dict(zip(one.times, one.values, strict=True)) for one in series]
        place.stackplot(times, [[each.get(at, 0.0) for at in times] for each in known], alpha=0.6)
    for one in () if panel.is_stacked else series:
        values = [value if isfinite(value) else nan for value in one.values]
        place.plot(one.times, values, linewidth=1, marker="." if len(values) == 1 else "")
    place.set_ylim(bottom=0)
    place.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{datetime.fromtimestamp(at, UTC):%H:%M}"))
    place.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, panel.unit)))
    place.grid(alpha=0.3)
    names = [one.name for one in series[:ENTRIES]]
    more = len(series) - ENTRIES
    names = [*names[:-1], f"{names[-1]} (and {more} more)"] if more > 0 else names
    handles = (place.collections if panel.is_stacked else place.lines)[: len(names)]
    place.legend(handles, names, fontsize=SMALL - 1, loc="best", framealpha=0.6)


def _grid(series: Sequence[Series]) -> list[float]:
    """Return all times that were asked about: where a series has no value it is 0, not what lies between others."""
    known = sorted({at for one in series for at in one.times})
    step = min((later - at for at, later in pairwise(known)), default=1.0)
    return [known[0] + step * index for index in range(round((known[-1] - known[0]) / step) + 1)]


def _bars(place: Axes, panel: Shown, series: Sequence[Series]) -> None:
    few = series[:BARS]
    values = [one.values[-1] if isfinite(one.values[-1]) else 0.0 for one in few]
    bars = place.barh([one.name for one in few], values)
    place.bar_label(bars, [shown(value, panel.unit) for value in values], fontsize=SMALL, padding=2)
    place.set_xlim(right=max(values) * 1.25 or 1)
    place.set_xticks([])
    place.invert_yaxis()
    if len(series) > BARS:
        place.set_xlabel(f"and {len(series) - BARS} more", fontsize=SMALL)


def shown(value: float, unit: str) -> str:
    """Return a value as people read it, in one of Grafana's units."""
    if unit == "s":
        return _duration(value)
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit in {"bytes", "Bps"}:
        return _bytes(value) + ("/s" if unit == "Bps" else "")
    return f"{value:.3g}" + ("/s" if unit == "reqps" else "")


def _duration(seconds: float) -> str:
    if seconds >= HOUR:
        return f"{seconds / HOUR:.3g} h"
    if seconds >= MINUTE:
        return f"{seconds / MINUTE:.3g} min"
    return f"{seconds:.3g} s" if seconds >= 1 or not seconds else f"{seconds * THOUSAND:.3g} ms"


def _bytes(value: float) -> str:
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while abs(value) >= KIB and len(units) > 1:
        value /= KIB
        del units[0]
    return f"{value:.3g} {units[0]}"
