"""What was measured, as text: ratios first, then each contestant's figures, then what is seen of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from bench.engines.contestants import DBOS, LEAST, OURS, Contestant
from bench.engines.measure import Plan, Round
from bench.spread import spread
from bench.trips import Trips

Rounds = Mapping[str, Sequence[Round]]
"""The rounds of each contestant, in the order in which they were run."""


def ratios(rounds: Rounds, rate: Callable[[Round], float]) -> Iterator[tuple[str, list[float]]]:
    """Give how many times as many chains a second ours runs, against each other, round by round."""
    for name, others in rounds.items():
        if name != OURS:
            yield name, [rate(ours) / rate(other) for ours, other in zip(rounds[OURS], others, strict=True)]


def told(trips: Trips, plan: Plan, contestants: Sequence[Contestant], rounds: Rounds) -> Iterator[str]:
    """Give the report's lines."""
    yield (
        f"a chain: {trips.calls} steps; ours has {trips.activities} of them as activities, each durable before the "
        f"next, and {trips.local} as local ones, durable with the workflow task that ran them ({trips.tasks} tasks)"
    )
    yield "ours against each other one, chains a second, each round's ratio:"
    for what, rate in ((f"{plan.at_once} at once", _many), ("one at a time", _single)):
        for name, each in ratios(rounds, rate):
            yield f"  {what}: ours / {name}: {spread(each)}"
    yield from _goal(plan, rounds)
    yield f"figures, {len(rounds[OURS])} rounds:"
    for contestant in contestants:
        steps = trips.activities if contestant.least else trips.calls
        yield from _figures(contestant.name, rounds[contestant.name], steps, plan)
    yield "what the operator sees:"
    for contestant in contestants:
        if not contestant.least:
            yield f"  {contestant.name}: {contestant.sees}"


def _goal(plan: Plan, rounds: Rounds) -> Iterator[str]:
    """Tell whether the goal is met: more sectors a second than DBOS, whichever way DBOS is the faster.

    And whether it could be: the engine with the activities alone is faster than all that are made of it.
    """
    ways = {name: statistics.median(map(_many, each)) for name, each in rounds.items() if name.startswith(DBOS)}
    if ways:
        faster = max(ways, key=ways.__getitem__)
        ratio = statistics.median(dict(ratios(rounds, _many))[faster])
        met = "met" if ratio > 1 else "not met"
        yield f"goal, more than the faster DBOS, which is {faster}, {plan.at_once} at once: {ratio:.2f}, {met}"
        if LEAST in rounds:
            bound = [least.many / other.many for least, other in zip(rounds[LEAST], rounds[faster], strict=True)]
            yield f"its bound, the engine with our activities alone, against that one's whole chain: {spread(bound)}"


def _many(of: Round) -> float:
    return of.many


def _single(of: Round) -> float:
    return of.single


def _figures(name: str, rounds: Sequence[Round], steps: int, plan: Plan) -> Iterator[str]:
    yield f"  {name}"
    for what, rate in ((f"{plan.at_once} at once", _many), ("one at a time", _single)):
        rates = [rate(each) for each in rounds]
        yield (
            f"    {what}: {spread(rates)} chains a second, {spread([steps * each for each in rates], 0)} steps a second"
        )
    yield f"    a step, one chain at a time: {spread([each.step for each in rounds])} ms"
    cpu = {part: statistics.median(each.cpu[part] for each in rounds) for part in rounds[0].cpu}
    yield f"    CPU a chain: {sum(cpu.values()):.0f} ms: " + ", ".join(f"{part} {ms:.0f}" for part, ms in cpu.items())
    if recoveries := [each.recovery for each in rounds if each.recovery is not None]:
        yield f"    from kill -9 until the chain goes on, its process started again at once: {spread(recoveries, 1)} s"
