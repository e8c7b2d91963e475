"""What a campaign was, and what came of it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field


@dataclass
class Report:
    """What a campaign was and what came of it.

    A kill counts when something was killed, and is recovered from when every sector that was under way after it has
    gone on. ``seconds`` are those until then, of each blow that was recovered from. ``missed`` are blows that met
    nothing. ``points`` were died at, of ``known`` that our programs came to; ``left`` are the others. ``replaced``
    and ``adopted`` are the sectors that began again from their state files when, after the blows, an old backup of
    Temporal's database was put back, and when that was lost.
    """

    seed: int
    kills: int = 0
    recoveries: int = 0
    missed: int = 0
    sectors: int = 0
    upgrades: int = 0
    replaced: int = 0
    adopted: int = 0
    points: int = 0
    known: int = 0
    minutes: float = 0.0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def as_json(report: Report) -> str:
    """Return a report for programs."""
    return json.dumps(asdict(report), indent=2)


def lines(report: Report) -> str:
    """Return a report for people."""
    told = [f"{'BLOW':<28} {'TIMES':>5} {'MEDIAN':>8} {'WORST':>8}"]
    for name, seconds in report.seconds.items():
        told.append(f"{name:<28} {len(seconds):>5} {statistics.median(seconds):>6.1f} s {max(seconds):>6.1f} s")
    told += [f"not tried: {name}" for name in report.skipped]
    told += [f"not died at: {point}" for point in report.left]
    told += [f"WRONG: {line}" for line in report.wrong]
    told.append(
        f"{report.kills} kills, {report.recoveries} recoveries, {report.missed} blows that met nothing, in"
        f" {report.minutes:.1f} min; {report.points} of {report.known} named points died at; {report.sectors} sectors,"
        f" {report.upgrades} upgrades, {report.replaced} adopted after an old backup of Temporal's database,"
        f" {report.adopted} after its loss, {len(report.wrong)} things wrong; seed {report.seed}"
    )
    return "\n".join(told)
