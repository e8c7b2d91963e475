"""How long after a message has landed the next step starts, what the wait costs, and how long a thread then rests.

Run by ``make bench-waiting``, which takes a quarter of an hour; ``OPTIONS='--epoch 1 --rounds 2'`` is a scale model:
all intervals shrink with the epoch, and what the product itself takes does not. A real Temporal development server,
embedded managers, and the worker as the program that it is; the processor is the simulated one, so that a sector does
little but wait.

Each round is a worker with two threads side by side: one has the settings that everybody has whose file says nothing,
the other is told to ask each epoch. In each round messages take an epoch longer to land, and it begins at another
moment of an epoch, because by how much a worker is late that asks seldom is chance. From the same moments of the chain
it is computed, not measured, what a worker loses that asks when it has sent a message and then every 180 s, and rests
30 s after a sector, as its documentation says.

A step has started when its activity has, on the sector's machine: ``persist`` after the pre-commit, ``c1`` after the
seed, ``clean_up`` after the proof. What is asked is counted on the wire, by the chain's epochs: the three methods that
ask after pre-commit, seed and proof. A question is in vain to which no other answer could have come: in the epoch in
which the message was sent, and about a seed before the moment that an earlier answer has named. A pause is from the end
of a sector's workflow until the manager gives its thread the next sector.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.waits import PRECOMMIT, PROOF, QUESTIONS, Found, Question, lost, seen_of, waits_of
from sealing.config.threads import Sealing
from sealing.devnet.queries import SectorRecord
from sealing.manager.wire import Id
from tests.survival.program import program
from tests.world.plant import Plant, plant
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

MAINNET = 30.0
"""Seconds of the real chain's epoch, for which intervals are given here."""
ROUNDS = 6
LANDED_AFTER = range(1, 7)
"""Epochs until a message lands, round by round: together as long as the longest interval between two questions."""
SEED_DELAY = 14
"""Epochs: longer than two of those intervals."""
WITHIN = 2.0
"""Seconds beyond an epoch within which the next step must have started."""
NO_PAUSE = 0.5
"""Seconds that it may take to ask the manager for a sector and to get it."""
DOCUMENTED = (180.0, 30.0)
"""Of the worker that is computed: seconds between two questions, and of rest after a sector."""


@dataclass(frozen=True)
class Way:
    """How a thread is told to wait, on the real chain: seconds between two questions, and of rest after a sector."""

    name: str
    polling: float
    rest: float

    def table(self, epoch: float) -> str:
        """Return what stands in the thread's table; nothing where all is as it is for everybody."""
        if epoch == MAINNET and self == AS_IT_IS:
            return ""
        polling, rest = (f"{1000 * seconds * epoch / MAINNET:.0f}ms" for seconds in (self.polling, self.rest))
        return f'sealing.rpc_polling_interval = "{polling}"\nsealing.seal_interval = "{rest}"\n'


_DEFAULTS = Sealing()
AS_IT_IS = Way("as it is", _DEFAULTS.rpc_polling_interval.total_seconds(), _DEFAULTS.seal_interval.total_seconds())
# Without any rest a thread that is idle would ask for a sector without end.
WAYS = (AS_IT_IS, Way("told to ask each epoch", MAINNET, 1.0))


@dataclass
class Results:
    """What was seen of each way, and what is computed."""

    seen: dict[Way, Found] = field(default_factory=lambda: {way: Found() for way in WAYS})
    computed: Found = field(default_factory=Found)

    def add(self, other: Results) -> None:
        """Count another round as well."""
        self.computed.add(other.computed)
        for way, found in other.seen.items():
            self.seen[way].add(found)


async def round_of(
    client: Client, folder: Path, epoch: float, landed_after: int, all_have_two: asyncio.Barrier
) -> Results:
    """Run all ways side by side until each has a sector behind it and another begun, in all rounds.

    What comes after that keeps this process busy, and with it the managers of the others.
    """
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    questions: list[Question] = []
    chain: dict[str, Any] = {"epoch_seconds": epoch, "landed_after": landed_after, "seed_delay": SEED_DELAY}
    async with plant(client, folder, sectors=1000, threads=len(WAYS), **chain) as built:
        built.patience = 100 * epoch + 120
        _tell_threads(built, epoch)

        async def note(method: str, params: list[Any]) -> None:
            if wait := QUESTIONS.get(method):
                questions.append(Question(time.time(), wait, Id.model_validate(params[0]).number))

        built.proxy.before = note
        async with program(built):
            await built.until(lambda: _have_two(built), "each thread to have begun a second sector")
            await all_have_two.wait()
            return await _read(built, questions, epoch)


def _tell_threads(built: Plant, epoch: float) -> None:
    built.unhurried()
    text = built.file.read_text()
    for thread, way in zip(built.config.sealing_thread, WAYS, strict=True):
        line = f'location = "{thread.location}"\n'
        text = text.replace(line, line + way.table(epoch))
    built.file.write_text(text)


async def _have_two(built: Plant) -> bool:
    await asyncio.sleep(0.2)
    return min(map(len, _by_way(built).values())) > 1


def _by_way(built: Plant) -> dict[Way, list[SectorRecord]]:
    """Return the sectors of each thread, in their order."""
    ways = {str(thread.location): way for thread, way in zip(built.config.sealing_thread, WAYS, strict=True)}
    found: dict[Way, list[SectorRecord]] = {way: [] for way in WAYS}
    for sector in built.observer.sectors():
        if sector.location is not None:
            found[ways[sector.location]].append(sector)
    return found


async def _read(built: Plant, questions: Sequence[Question], epoch: float) -> Results:
    results = Results()
    for way, sectors in _by_way(built).items():
        for sector, following in itertools.pairwise(sectors):
            number = sector.id.number
            closed = (await built.sector(number).describe()).close_time
            assert closed is not None  # noqa: S101 - its thread has another
            waits = waits_of(built.observer.messages(sector.id), await built.sector(number).fetch_history())
            found = seen_of(waits, [each for each in questions if each.number == number], built.devnet.chain)
            found.pauses.append(following.allocated_at - closed.timestamp())
            results.seen[way].add(found)
            results.computed.add(lost(waits, *_scaled(DOCUMENTED, epoch)))
    return results


async def measure(epoch: float, rounds: int) -> None:
    """Run all rounds beside each other, which hardly keeps a machine busy, and print what was seen."""
    logging.disable(logging.ERROR)  # a sector that is cut off says so when its history is replayed
    results, together = Results(), asyncio.Barrier(rounds)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)

            async def one(number: int) -> None:
                await asyncio.sleep(number * (1 + 1 / rounds) * epoch)
                landed_after = LANDED_AFTER[number % len(LANDED_AFTER)]
                results.add(await round_of(client, folder / str(number), epoch, landed_after, together))

            async with asyncio.TaskGroup() as group:
                for number in range(rounds):
                    group.create_task(one(number))
    sys.stdout.write("\n".join(told(epoch, rounds, results)) + "\n")


def told(epoch: float, rounds: int, results: Results) -> list[str]:
    """Return the lines that say what was seen beside what was computed, and whether the goals are met."""
    polling, rest = _scaled(DOCUMENTED, epoch)
    lines = [f"epochs of {epoch:g} s, {rounds} rounds side by side; late: from landing to the start of the next step"]
    for way, found in results.seen.items():
        ratio = _loss(found) / _loss(results.computed)
        lines.append(f"{way.name}: {ratio:.2f} x of what is computed is lost, {len(found.pauses)} sectors")
    lines.append(f"COMPUTED, not measured: asks every {polling:g} s, rests {rest:g} s")
    lines.append(f"  {_delays(results.computed)}")
    for way, found in results.seen.items():
        polling, rest = _scaled((way.polling, way.rest), epoch)
        share = f"{found.asked / found.epochs:.2f} questions a sector an epoch that it waits, at most {found.most}"
        lines += [
            f"{way.name}: asks every {polling:g} s, rests {rest:g} s",
            f"  {_delays(found)}",
            f"  {share}; {found.vain} of {found.asked} in vain",
            f"  goals: {_goals(found, epoch)}",
        ]
    return lines


def _scaled(seconds: tuple[float, float], epoch: float) -> tuple[float, float]:
    return seconds[0] * epoch / MAINNET, seconds[1] * epoch / MAINNET


def _loss(found: Found) -> float:
    """Return the seconds that a sector loses, of what can be compared."""
    return sum(statistics.median(each) for each in (found.late[PRECOMMIT], found.late[PROOF], found.pauses))


def _goals(found: Found, epoch: float) -> str:
    kept = {
        f"within an epoch and {WITHIN:g} s": max(map(max, found.late.values())) <= epoch + WITHIN,
        "at most one question an epoch": found.most <= 1,
        "none in vain": found.vain == 0,
        "no pause": max(found.pauses) <= NO_PAUSE,
    }
    return ", ".join(f"{goal} {'kept' if is_kept else 'MISSED'}" for goal, is_kept in kept.items())


def _delays(found: Found) -> str:
    late = [f"{name} {_spread(seconds)}" for name, seconds in found.late.items() if seconds]
    return f"late: {', '.join(late)}; pause {_spread(found.pauses)}"


def _spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


@click.command()
@click.option("--epoch", default=MAINNET, show_default=True, type=click.FloatRange(min=0.2), help="Seconds.")
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(min=1), help="Workers side by side.")
def main(epoch: float, rounds: int) -> None:
    """Measure how long after a message has landed the next step starts, and what the wait costs."""
    asyncio.run(measure(epoch, rounds))
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends


if __name__ == "__main__":
    main()
