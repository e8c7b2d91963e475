"""What the product adds to a sector's computing: all of it against a shell script that runs the same stages.

Run by ``make bench-alone``; ``OPTIONS='--rounds 3 --until c1'`` is short. A sector of 2 KiB up to its proof, and one of
8 MiB up to C1, because the parameters of its C2 are too large for most machines. On one side the worker as the program
that it is, a Temporal development server and the embedded manager, with nothing else in the worker's file but what it
must say; on the other ``bench/alone.sh``, which calls the same binary for the same sector: its ids, ticket and seed are
those of the sector that the product has sealed last, and it must come to the same CommR. Both take turns, and which of
them goes first changes each round. While the script runs, the worker is up and drained.

The chain takes no time: a message lands in the epoch in which it was sent, its seed comes with it, the manager takes
proofs without a look, and the worker is told to ask at once. Where it asks too soon for its own rules all the same, the
time until it asks again is taken away, as the history shows it: ``bench/waiting.py`` measures that. The first sector is
not counted: it warms the worker and the machine.

A sector begins when the manager gives it out, and ends when its workflow has ended, its files cleared away and the
manager told; or, up to C1, when it is in C1Done: its C2 is simulated then. Storing the sector's files is the product's.
The proof is verified on both sides, by the worker before it is sent, by the script as its last stage.

C2 alone varies by more than what is looked for, so the same is told without computing: the time in which no stage of
the sector runs. A stage runs from its start until its output is written.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.spread import spread
from bench.waits import waited
from sealing.cache import find_processor, proof_environment
from sealing.config import Processors
from sealing.devnet.pool import Kind
from sealing.devnet.verifier import SimulatedVerifier, Verifier
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.processors import programs
from sealing.proofs import proof_types as types_of
from sealing.proofs import prover_id, seal_proof
from sealing.sector import Stay, thread_id
from sealing.stores import durable
from tests.survival.program import program
from tests.world.plant import Plant, plant
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer
from workers.programs import Programs

ROUNDS = 5
LIMIT = 1.0
"""Seconds that the product may add to a sector."""
SCRIPT = Path(__file__).with_suffix(".sh")
AT_ONCE = 'rpc_polling_interval = "10ms"'
CHAIN: dict[str, Any] = {"epoch_seconds": 1.0, "packed_after": 0, "landed_after": 0, "seed_delay": 0}
PATIENCE = 1800.0
"""Seconds in which a sector must be done."""
SMALL, LARGE = "2KiB", "8MiB"
WHOLE, TO_C1 = "verify_seal", "c1"
"""The script's last stage."""
SLOWEST = 5
"""Steps that are named of those that take longest beside computing."""


@dataclass(frozen=True)
class Spent:
    """The seconds of a sector in all, and of its stages; ``beside`` are those of each step without its stages."""

    wall: float
    computing: float
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def rest(self) -> float:
        """Seconds in which no stage ran."""
        return self.wall - self.computing


class Credulous(SimulatedVerifier):
    """Takes every proof at once: what the chain looks at is no time of the product's."""

    async def verify_seal(self, **_: object) -> bool:
        """Take it."""
        return True


@dataclass
class Product:
    """The plant, its worker running, and how far it has sealed."""

    built: Plant
    last: str
    number: int = 0

    async def order(self, what: str) -> None:
        """Let the thread take sectors, or none after the one that it is at."""
        config = self.built.config
        workflow_id = thread_id(config.worker.name, config.sealing_thread[0].location)
        await self.built.client.get_workflow_handle(workflow_id).signal(what)

    async def seal(self) -> Spent:
        """Seal the next sector."""
        self.number += 1
        await self.order("undrain")
        await self.built.until(partial(self._has, "allocated_at"), "the next sector to begin")
        await self.order("drain")
        await self.built.until(partial(self._has, "ended_at"), "the sector to be finished")
        handle = self.built.sector(self.number)
        stays = (await handle.result()).stays
        closed = (await handle.describe()).close_time
        assert closed is not None  # noqa: S101 - its result is there
        ended = closed if self.last == WHOLE else next(stay.entered for stay in stays if stay.state is State.C1Done)
        waits = waited(await handle.fetch_history(), ended)
        return spent(self.built.observer.sectors()[-1].allocated_at, stays, ended, waits)

    async def _has(self, moment: str) -> bool:
        await asyncio.sleep(0.03)
        sectors = self.built.observer.sectors()
        assert len(sectors) <= self.number, "the thread took another sector"  # noqa: S101 - the script would meet it
        return len(sectors) == self.number and getattr(sectors[-1], moment) is not None


def spent(allocated_at: float, stays: Sequence[Stay], ended: datetime, waits: Mapping[str, float]) -> Spent:
    """Return what a sector took until it ended, without the seconds that its activities ``waits`` waited."""
    counted = [stay for stay in stays if stay.entered < ended]
    begun = [stay.entered.timestamp() for stay in counted]
    beside = {str(stay.state): stay.seconds - stay.run_seconds for stay in counted}
    beside["Empty"] = begun[0] - allocated_at
    beside["Finished"] = ended.timestamp() - begun[-1] - counted[-1].seconds
    for state, step in SEALER.rows.items():
        if state in beside:
            beside[state] -= waits.get(step.activity, 0.0)
    return Spent(
        ended.timestamp() - allocated_at - sum(waits.values()), sum(stay.run_seconds for stay in counted), beside
    )


def identity_of(built: Plant, number: int) -> dict[str, str]:
    """Return what the script is told of a sector, as a task has it."""
    sector = built.id(number)
    precommit = built.observer.precommit(sector)
    (sent,) = (each for each in built.observer.messages(sector) if each.kind is Kind.PRECOMMIT)
    assert precommit is not None  # noqa: S101 - the sector is finished
    assert sent.seed_epoch is not None  # noqa: S101 - a pre-commit has one
    seed = built.devnet.chain.seed_at(sent.seed_epoch)
    values = {
        "PROVER_ID": list(prover_id(sector.miner)),
        "SECTOR_ID": sector.number,
        "MINER_ID": sector.miner,
        "TICKET": list(bytes.fromhex(precommit.ticket.ticket)),
        "SEED": list(bytes.fromhex(seed.seed)),
    }
    return {name: json.dumps(value) for name, value in values.items()}


async def script(built: Plant, number: int, proof: str, last: str) -> Spent:
    """Let the script seal a sector that the product has sealed. Fails where it comes to something else."""
    folder = built.folder / "alone"
    durable.remove(folder)
    folder.mkdir()
    env = {**os.environ, **proof_environment(), **identity_of(built, number), "PROCESSOR": str(find_processor())}
    with (built.folder / "alone.log").open("ab") as log:
        began = time.perf_counter()
        child = await asyncio.create_subprocess_exec(SCRIPT, folder, proof, last, stdout=log, stderr=log, env=env)
        status = await child.wait()
        wall = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{SCRIPT.name} ended with status {status}:\n{(built.folder / 'alone.log').read_text()}")
    precommit, made = built.observer.precommit(built.id(number)), output(folder, "pc2")
    assert precommit is not None  # noqa: S101 - the sector is finished
    assert bytes(made["comm_r"]).hex() == precommit.comm_r, "another replica"  # noqa: S101 - it would prove nothing
    assert last != WHOLE or output(folder, WHOLE) is True, "a proof that proves nothing"  # noqa: S101 - as above
    return Spent(wall, computing(folder))


def output(folder: Path, stage: str) -> Any:  # noqa: ANN401 - each stage has its own
    """Return what a stage of the script gave."""
    return json.loads((folder / f"{stage}.output").read_bytes())["output"]


def computing(folder: Path) -> float:
    """Return the seconds from each stage's start until its output was there."""
    begun = (line.split() for line in (folder / "began").read_text().splitlines())
    return sum((folder / f"{stage}.output").stat().st_mtime - float(began) for stage, began in begun)


def simulated(stage: str) -> str:
    """Return the table of a stage that is not computed."""
    argv = json.dumps(programs.SIMULATED)
    return f'[[processors.{stage}]]\nprotocol = "job"\nbin = "/usr/bin/env"\nargs = {argv}\n'


@asynccontextmanager
async def producing(client: Client, folder: Path, size: str, last: str, sectors: int) -> AsyncIterator[Product]:
    """Run the product, drained, with its first sector behind it."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else is to be done meanwhile
    processors = "" if last == WHOLE else simulated("c2") + simulated("verify_seal")
    verifier: Verifier = Credulous() if last == WHOLE else SimulatedVerifier()
    async with plant(
        client,
        folder,
        sectors=sectors,
        program=find_processor(),
        processors=processors,
        verifier=verifier,
        proof_types=types_of(size)[:1],
        **CHAIN,
    ) as built:
        built.patience = PATIENCE
        built.unhurried(AT_ONCE)
        built.untapped()
        async with program(built) as worker:
            await built.until(lambda: "serves queues" in worker.log.read_text(), "the worker to serve")
            product = Product(built, last)
            await product.seal()
            yield product


async def compare(client: Client, folder: Path, size: str, last: str, rounds: int) -> None:
    """Print both, round by round in turns, and what the product adds."""
    ours, alone = [], []
    async with producing(client, folder, size, last, rounds + 1) as product:
        proof = seal_proof(types_of(size)[0]).name
        for number in range(rounds):
            if number % 2 == 0:
                ours.append(await product.seal())
            alone.append(await script(product.built, product.number, proof, last))
            if number % 2 == 1:
                ours.append(await product.seal())
    tell(f"{size}, to {'its end' if last == WHOLE else 'C1'}", ours, alone)


def tell(what: str, ours: Sequence[Spent], alone: Sequence[Spent]) -> None:
    """Print a comparison."""
    pairs = list(zip(ours, alone, strict=True))
    ratio = spread([one.wall / two.wall for one, two in pairs], unit="x")
    added = [one.wall - two.wall for one, two in pairs]
    rests = (_seconds([one.rest for one in each]) for each in (ours, alone))
    lines = [
        f"{what}, {len(pairs)} rounds: product / script {ratio}",
        f"  product {_seconds([one.wall for one in ours])}, script {_seconds([one.wall for one in alone])}",
        f"  the product adds {_seconds(added)}",
        "  beside computing: product {}, script {}".format(*rests),
        f"  there the product adds {_seconds([one.rest - two.rest for one, two in pairs])}: {_slowest(ours)}",
        f"  goal, less than {LIMIT:g} s more a sector: {'kept' if statistics.median(added) < LIMIT else 'MISSED'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _seconds(values: Sequence[float]) -> str:
    return spread(values, unit="s")


def _slowest(ours: Sequence[Spent]) -> str:
    """Name the states in which most time goes beside computing."""
    steps = {name: statistics.median(one.beside.get(name, 0.0) for one in ours) for name in ours[0].beside}
    order = sorted(steps, key=lambda name: -steps[name])
    named = ", ".join(f"{name} {steps[name]:.2f} s" for name in order[:SLOWEST])
    return f"{named}, {len(order) - SLOWEST} more states {sum(steps[name] for name in order[SLOWEST:]):.2f} s"


async def measure(sizes: Sequence[str], rounds: int, until: str) -> None:
    """Measure each size."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        folder = Path(name)
        async with DevServer(folder / "temporal", ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            for size in sizes:
                await compare(client, folder / size, size, until if size == SMALL else TO_C1, rounds)


@click.command()
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(min=1), help="Sectors that count.")
@click.option("--until", type=click.Choice([TO_C1, WHOLE]), default=WHOLE, show_default=True, help="End 2 KiB there.")
@click.option("--size", "sizes", multiple=True, type=click.Choice([SMALL, LARGE]), help="Only this; repeatable.")
def main(sizes: tuple[str, ...], rounds: int, until: str) -> None:
    """Measure what the product adds to a sector beside the crate's stages called by a shell script."""
    sizes = sizes or (SMALL, LARGE)
    if until == WHOLE and SMALL in sizes and not asyncio.run(Programs(Processors()).parameters_ready(SMALL)):
        raise click.ClickException(f"the proof parameters of {SMALL} are not there: make setup, or use --until c1")
    asyncio.run(measure(sizes, rounds, until))
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends


if __name__ == "__main__":
    main()
