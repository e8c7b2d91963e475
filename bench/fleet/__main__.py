"""Print and draw how much of the bound of its bottleneck a fleet reaches, by threads and by machines.

Run by ``make bench-fleet``. Admission is the product's own code; machines, chain and stages are simulated. Nothing here
is measured on a machine but the time that the simulation itself takes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
from matplotlib.figure import Figure

from bench.fleet.model import Machine, alike, shared
from bench.fleet.simulation import WAYS, Plan, simulate

SEEDS = 5
THREADS = (10, 12, 14, 16, 18, 20, 24, 28, 32, 40)
ENOUGH = 24
"""Threads of each machine where the number of machines is what varies."""
MACHINES = (1, 2, 4, 10, 30, 100, 300, 1000)
MANY = 30
"""From so many machines on one seed tells as much as five do of one machine."""
PICTURE = Path(__file__).parents[2] / "docs" / "performance-fleet.png"

Curves = Mapping[str, Sequence[tuple[float, float, float]]]
"""By the way's name, the median, least and greatest share of the bound at each point."""


@click.command()
@click.option("--machines", default=1000, show_default=True, help="The largest fleet.")
@click.option("--days", default=7.0, show_default=True, help="Simulated days that count.")
@click.option("--draw/--no-draw", default=True, show_default=True, help="Write docs/performance-fleet.png.")
def main(machines: int, days: float, *, draw: bool) -> None:
    """Simulate fleets of sealing machines."""
    began = time.perf_counter()
    counts = [count for count in MACHINES if count <= machines]
    curves = {
        "one machine, by its threads": (THREADS, _curves(THREADS, lambda threads: (alike(threads), 1), days)),
        "machines with a GPU each": (counts, _curves(counts, lambda count: (alike(ENOUGH), count), days)),
        "C2 on one more for three": (counts, _curves(counts, lambda count: (shared(ENOUGH), count), days)),
    }
    for title, (points, found) in curves.items():
        sys.stdout.write("\n".join(_table(title, points, found)) + "\n")
    sys.stdout.write(f"{time.perf_counter() - began:.0f} s\n")
    if draw:
        _draw(curves)


def _curves(points: Sequence[int], of: Callable[[int], tuple[Machine, int]], days: float) -> Curves:
    curves: dict[str, list[tuple[float, float, float]]] = {way.name: [] for way in WAYS}
    for point in points:
        machine, count = of(point)
        for way in WAYS:
            seeds = SEEDS if count < MANY else 1
            shares = [simulate(Plan(machine, way, count, days), seed).share for seed in range(seeds)]
            curves[way.name].append((statistics.median(shares), min(shares), max(shares)))
    return curves


def _table(title: str, points: Sequence[int], curves: Curves) -> Iterator[str]:
    yield f"\nshare of the bound, {title}: median (least to greatest of {SEEDS} seeds; from {MANY} machines on of 1)"
    for name, values in curves.items():
        yield f"  {name:24}" + "".join(
            f"  {point}: {100 * middle:.1f} ({100 * low:.1f}-{100 * high:.1f})"
            for point, (middle, low, high) in zip(points, values, strict=True)
        )


def _draw(curves: Mapping[str, tuple[Sequence[int], Curves]]) -> None:
    figure = Figure(figsize=(12, 4), layout="constrained")
    for place, (title, (points, found)) in zip(
        figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True
    ):
        for name, values in found.items():
            place.plot(points, [100 * middle for middle, _, _ in values], label=name, marker=".")
        place.axhline(97, color="grey", linestyle=":", linewidth=1)
        place.set_title(title, fontsize=10)
        if points[-1] > THREADS[-1]:
            place.set_xscale("log")
    figure.axes[0].set_ylabel("% of the bound of the bottleneck")
    figure.axes[0].legend(fontsize=8)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
