"""How long after a message has landed the next step starts, what the wait costs, and how long a thread then rests.

Run by ``make bench-waiting``, which takes three quarters of an hour; ``OPTIONS='--epoch 2 --rounds 2'`` is a scale
model: the intervals shrink with the epoch, and what the product itself takes does not. First the managers hold the
question whether a message has landed, for 25 s in a scale model too; then they know no such thing, as damocles' does
not, and are asked once an epoch. A real Temporal development server, embedded managers, and the worker as the program
that it is, with the settings that everybody has whose file says nothing; the processor is the simulated one, so that a
sector does little but wait.

Each round is a worker, and all rounds run side by side. In each of them messages take an epoch longer to land, and each
begins at another moment of an epoch, because by how much a worker is late that asks seldom is chance. From the same
moments of the chain it is computed, not measured, what a worker loses that asks when it has sent a message and then
every 180 s, and rests 30 s after a sector, as its documentation says.

A step has started when its activity has, on the sector's machine: ``persist`` after the pre-commit, ``c1`` after the
seed, ``clean_up`` after the proof. What is asked is counted on the wire, by the chain's epochs: the three methods that
ask after pre-commit, seed and proof. In vain is a question that comes too soon: about a message more than an epoch
before that in which it lands, and about a seed before the moment that an earlier answer has named; none that is held.
The first of each worker may be: it tells whether any is. How long messages take a worker has to learn, so each thread's
first sector is told apart from the later ones. A pause is from the end of a sector's workflow until the manager gives
its thread the next sector.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.chain import HOLD
from bench.spread import spread
from bench.waits import PRECOMMIT, PROOF, QUESTIONS, SEED, WAITS, Found, Question, lost, seen_of, waits_of
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
"""Epochs until a message lands, round by round: together as long as the interval of the worker that is computed."""
SEED_DELAY = 6
"""Epochs."""
THREADS, SECTORS = 4, 2
"""Of a round, and of a thread: enough for a worker to learn, and one each that comes after that."""
WITHIN = 2.0
"""Seconds beyond an epoch within which the next step must have started."""
WITHIN_HELD = 1.0
"""The same of messages, without an epoch, where questions are held. When a seed comes is told in whole seconds."""
FIRST = "each thread's first sector"
NO_PAUSE = 0.5
"""Seconds that it may take to ask the manager for a sector and to get it."""
DOCUMENTED = (180.0, 30.0)
"""Of the worker that is computed: seconds between two questions, and of rest after a sector."""


@dataclass
class Results:
    """What was seen, and what is computed. ``all_seen`` is passed by all rounds when the last is ready to be read."""

    all_seen: asyncio.Barrier
    first: Found = field(default_factory=Found)
    later: Found = field(default_factory=Found)
    computed: Found = field(default_factory=Found)
    hold: bool = False
    """The managers hold questions."""


async def round_of(client: Client, folder: Path, epoch: float, landed_after: int, results: Results) -> None:
    """Run a worker until each of its threads has sealed enough, and those of all other rounds.

    What comes after that keeps this process busy, and with it the managers of the others.
    """
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    questions: list[Question] = []
    chain: dict[str, Any] = {"epoch_seconds": epoch, "landed_after": landed_after, "seed_delay": SEED_DELAY}
    chain["hold_seconds"] = HOLD if results.hold else 0
    async with plant(client, folder, sectors=1000, threads=THREADS, **chain) as built:
        built.patience = 100 * epoch + 120
        built.unhurried(settings(epoch))

        async def note(method: str, params: list[Any]) -> None:
            if wait := QUESTIONS.get(method):
                questions.append(Question(time.time(), wait, Id.model_validate(params[0]).number))

        built.proxy.before = note
        async with program(built):
            await built.until(lambda: _are_done(built), "each thread to have begun one sector more than is counted")
            await results.all_seen.wait()
            for sectors in _by_thread(built).values():
                await _read(built, sectors, questions, results)


def settings(epoch: float) -> str:
    """Return what the worker's file says of intervals: nothing, but in a scale model."""
    if epoch == MAINNET:
        return ""
    usual, scale = Sealing(), epoch / MAINNET * 1000
    polling, rest = (each.total_seconds() * scale for each in (usual.rpc_polling_interval, usual.seal_interval))
    return f'rpc_polling_interval = "{polling:.0f}ms"\nseal_interval = "{rest:.0f}ms"'


async def _are_done(built: Plant) -> bool:
    await asyncio.sleep(0.2)
    found = _by_thread(built)
    return len(found) == THREADS and min(map(len, found.values())) > SECTORS


def _by_thread(built: Plant) -> dict[str, list[SectorRecord]]:
    """Return the sectors by their thread's location, in their order."""
    found: dict[str, list[SectorRecord]] = {}
    for sector in built.observer.sectors():
        if sector.location is not None:
            found.setdefault(sector.location, []).append(sector)
    return found


async def _read(built: Plant, sectors: Sequence[SectorRecord], questions: Sequence[Question], results: Results) -> None:
    chain = built.devnet.chain
    for index, (sector, following) in enumerate(itertools.pairwise(sectors)):
        handle, number = built.sector(sector.id.number), sector.id.number
        closed = (await handle.describe()).close_time
        assert closed is not None  # noqa: S101 - its thread has another
        waits = waits_of(built.observer.messages(sector.id), await handle.fetch_history())
        found = seen_of(waits, [each for each in questions if each.number == number], chain)
        found.pauses.append(following.allocated_at - closed.timestamp())
        (results.later if index else results.first).add(found)
        results.computed.add(lost(waits, *_scaled(chain.config.epoch_seconds)))


async def measure(epoch: float, rounds: int, *, hold: bool) -> None:
    """Run all rounds beside each other, which hardly keeps a machine busy, and print what was seen."""
    logging.disable(logging.ERROR)  # a sector that is cut off says so when its history is replayed
    results = Results(asyncio.Barrier(rounds), hold=hold)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)

            async def one(number: int) -> None:
                await asyncio.sleep(number * (1 + 1 / rounds) * epoch)
                landed_after = LANDED_AFTER[number % len(LANDED_AFTER)]
                await round_of(client, folder / str(number), epoch, landed_after, results)

            async with asyncio.TaskGroup() as group:
                for number in range(rounds):
                    group.create_task(one(number))
    sys.stdout.write("\n".join(told(epoch, rounds, results)) + "\n")


def told(epoch: float, rounds: int, results: Results) -> Iterator[str]:
    """Give the lines that say what was seen beside what was computed, and whether the goals are met."""
    polling, rest = _scaled(epoch)
    seen = {FIRST: results.first, "its later sectors": results.later}
    how = "questions are held" if results.hold else "questions are not held"
    yield f"epochs of {epoch:g} s, {rounds} rounds side by side, {how}"
    yield "late: from landing to the start of the next step"
    for name, found in seen.items():
        ratio = _loss(found) / _loss(results.computed)
        yield f"{name}: {ratio:.2f} x of what is computed is lost, {len(found.pauses)} sectors"
    yield f"COMPUTED, not measured: a worker that asks every {polling:g} s, and rests {rest:g} s"
    yield f"  {_delays(results.computed)}"
    for name, found in seen.items():
        yield name
        yield f"  {_delays(found)}"
        vain = ", ".join(f"{wait} {found.vain[wait]}" for wait in WAITS if wait == SEED or not results.hold)
        share = f"{found.asked / found.epochs:.2f} questions a sector an epoch that it waits, at most {found.most}"
        yield f"  {share}; of {found.asked} in vain: {vain}"
        yield f"  goals: {_goals(found, epoch, rounds if name == FIRST else 0, hold=results.hold)}"


def _scaled(epoch: float) -> tuple[float, float]:
    """Return the intervals of the worker that is computed."""
    polling, rest = DOCUMENTED
    return polling * epoch / MAINNET, rest * epoch / MAINNET


def _loss(found: Found) -> float:
    """Return the seconds that a sector loses, of what can be compared."""
    return sum(statistics.median(each) for each in (found.late[PRECOMMIT], found.late[PROOF], found.pauses))


def _goals(found: Found, epoch: float, spare: int, *, hold: bool) -> str:
    """Return in words which goals are kept; ``spare`` questions may be in vain."""
    if hold:
        kept = {
            f"messages within {WITHIN_HELD:g} s": max(*found.late[PRECOMMIT], *found.late[PROOF]) <= WITHIN_HELD,
            "one question an epoch": found.asked <= found.epochs,
            "none in vain": found.vain[SEED] == 0,
        }
    else:
        kept = {
            f"within an epoch and {WITHIN:g} s": max(map(max, found.late.values())) <= epoch + WITHIN,
            "at most one question an epoch": found.most <= 1,
            f"{spare or 'none'} in vain": found.vain.total() <= spare,
        }
    kept["no pause"] = max(found.pauses) <= NO_PAUSE
    return ", ".join(f"{goal} {'kept' if is_kept else 'MISSED'}" for goal, is_kept in kept.items())


def _delays(found: Found) -> str:
    late = [f"{name} {spread(seconds, 1, 's')}" for name, seconds in found.late.items() if seconds]
    return f"late: {', '.join(late)}; pause {spread(found.pauses, 1, 's')}"


@click.command()
@click.option("--epoch", default=MAINNET, show_default=True, type=click.FloatRange(min=0.2), help="Seconds.")
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(min=1), help="Workers side by side.")
@click.option(
    "--hold/--poll",
    default=None,
    help="Whether the managers hold the question whether a message has landed; first the one, then the other.",
)
def main(epoch: float, rounds: int, *, hold: bool | None) -> None:
    """Measure how long after a message has landed the next step starts, and what the wait costs."""
    for each in (True, False) if hold is None else (hold,):
        asyncio.run(measure(epoch, rounds, hold=each))
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends


if __name__ == "__main__":
    main()
