"""Print and draw how much of the bound of its bottleneck a fleet reaches, by threads and by machines.

Run by ``make bench-fleet``. Admission is the product's own code; machines, chain and stages are simulated. Nothing here
is measured on a machine but the time that the simulation itself takes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click
from matplotlib.figure import Figure

from bench.fleet.model import Machine, alike, shared
from bench.fleet.simulation import WAYS, Outcome, Plan, Way, simulate

SEEDS = 5
THREADS = (10, 12, 14, 16, 18, 20, 24, 28, 32, 40)
ENOUGH = 24
"""Threads of each machine where the number of machines is what varies."""
MACHINES = (1, 2, 4, 10, 30, 100, 300, 1000)
MANY = 30
"""From so many machines on one seed and one day tell as much as five seeds and a week do of one machine."""
PICTURE = Path(__file__).parents[2] / "docs" / "performance-fleet.png"

Curves = Mapping[str, Sequence[tuple[float, float, float]]]
"""By the way's name, the median, least and greatest share of the bound at each point."""


@click.command()
@click.option("--machines", default=1000, show_default=True, help="The largest fleet.")
@click.option("--draw/--no-draw", default=True, show_default=True, help="Write docs/performance-fleet.png.")
def main(machines: int, *, draw: bool) -> None:
    """Simulate fleets of sealing machines."""
    began = time.perf_counter()
    counts = [count for count in MACHINES if count <= machines]
    with ProcessPoolExecutor() as pool:
        curves = {
            "one machine, by its threads": (THREADS, _curves(pool, [(alike(threads), 1) for threads in THREADS])),
            "machines with a GPU each": (counts, _curves(pool, [(alike(ENOUGH), count) for count in counts])),
            "C2 on one more for three": (counts, _curves(pool, [(shared(ENOUGH), count) for count in counts])),
        }
    for title, (points, found) in curves.items():
        sys.stdout.write("\n".join(_table(title, points, found)) + "\n")
    sys.stdout.write(f"\nsimulated in {time.perf_counter() - began:.0f} s\n")
    if draw:
        _draw(curves)


def _curves(pool: Executor, points: Sequence[tuple[Machine, int]]) -> Curves:
    """Simulate each point in each way; the largest last, each on a core of its own."""
    asked = {(way.name, point): _shares(pool, *points[point], way) for point in range(len(points)) for way in WAYS}
    curves: dict[str, list[tuple[float, float, float]]] = {way.name: [] for way in WAYS}
    for (name, _), outcomes in asked.items():
        shares = [outcome.share for outcome in outcomes]
        curves[name].append((statistics.median(shares), min(shares), max(shares)))
    return curves


def _shares(pool: Executor, machine: Machine, count: int, way: Way) -> Iterator[Outcome]:
    is_many = count >= MANY
    plan = Plan(machine, way, count, days=1.0, warm=1.0) if is_many else Plan(machine, way, count)
    return pool.map(partial(simulate, plan), range(1 if is_many else SEEDS))


def _table(title: str, points: Sequence[int], curves: Curves) -> Iterator[str]:
    yield f"\nshare of the bound, {title}: median (least to greatest of {SEEDS} seeds; from {MANY} machines on of one)"
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
