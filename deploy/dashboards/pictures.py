"""Pictures of the dashboards for the docs, drawn from what a Prometheus has.

``python -m deploy.dashboards.pictures URL FOLDER MINUTES`` asks for the last minutes. It needs no Grafana, and looks
like it only roughly: each panel is drawn with its title, its unit and its series, in the dashboard's own order.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx
import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from deploy.dashboards.drawing import Series, draw
from deploy.dashboards.files import BUILDERS
from deploy.dashboards.reading import Asked, Shown, panels

COLUMNS, POINTS = 3, 120
PANEL = (5.2, 3.1)
"""A panel's inches."""
RATE = "30s"


class Source:
    """Prometheus, asked for the time that the pictures show."""

    def __init__(self, http: httpx.Client, minutes: float) -> None:
        """Take a client of it, and how much is shown."""
        self._http = http
        self._end = time.time()
        self._start = self._end - minutes * 60
        self._values = {"window": f"{max(1, round(minutes))}m", "__rate_interval": RATE, "instance": ".*"}

    def series(self, query: Asked) -> list[Series]:
        """Return what a query finds: over time, or now."""
        asked = {"query": query.with_values(self._values)}
        if query.is_instant:
            answer = self._http.get("/api/v1/query", params={**asked, "time": str(self._end)})
        else:
            step = (self._end - self._start) / POINTS
            span = {"start": str(self._start), "end": str(self._end), "step": f"{step:.0f}"}
            answer = self._http.get("/api/v1/query_range", params={**asked, **span})
        found = answer.raise_for_status().json()["data"]["result"]
        return [Series.read(one, query.legend) for one in found]


def picture(name: str, source: Source, folder: Path) -> None:
    """Draw one dashboard's panels that ask Prometheus."""
    shown = [panel for panel in panels(name) if panel.queries]
    rows = -(-len(shown) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(PANEL[0] * COLUMNS, PANEL[1] * rows), squeeze=False)
    for place, panel in zip(axes.flat, shown, strict=False):
        _panel(place, panel, source)
    for place in axes.flat[len(shown) :]:
        place.axis("off")
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=70)
    plt.close(figure)


def _panel(place: Axes, panel: Shown, source: Source) -> None:
    draw(place, panel, [series for query in panel.queries for series in source.series(query)])


def pictures(url: str, folder: Path, minutes: float) -> None:
    """Draw all dashboards."""
    mpl.use("agg")
    folder.mkdir(exist_ok=True)
    with httpx.Client(base_url=url, timeout=30) as http:
        source = Source(http, minutes)
        for name in BUILDERS:
            picture(name, source, folder)


if __name__ == "__main__":
    pictures(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
