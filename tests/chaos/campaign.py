"""Blows upon a site, one after the other, while it seals: ``make chaos``, and a short form in the tests.

After each the site must go on by itself. At the end every sector that was given out must be finished, and the checker
finds nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.chaos.blows import BLOWS, Attack, Blow
from tests.chaos.checker import check
from tests.chaos.site import Site, site, until
from tests.world.disks import Disk, small_disk

WORK_WITHIN = 90.0
"""Seconds in which work must go on after a blow."""
END_WITHIN = 300.0
"""Seconds in which the sectors that are under way must be finished when the blows are over."""
OTHERS = 0.25
"""How many of the blows are no kills."""
DISK_KIB = 64 << 10
STAGES = {"pc1": {"seconds": 0.6}, "pc2": {"seconds": 0.3}, "c2": {"seconds": 0.6}}
"""How long the simulated processor computes: long enough to be met while it does."""


@dataclass(frozen=True)
class Plan:
    """What is asked for. A seed repeats the choices of a campaign, not its moments."""

    kills: int
    seed: int
    threads: int = 4
    real: bool = False


@dataclass
class Report:
    """What a campaign was and what came of it; seconds are those until work went on after a blow."""

    seed: int
    kills: int = 0
    recoveries: int = 0
    sectors: int = 0
    upgrades: int = 0
    points: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    skipped: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


Say = Callable[[str], None]


@asynccontextmanager
async def attacked(folder: Path, chance: random.Random, *, threads: int, real: bool) -> AsyncIterator[Attack]:
    """Run a site on small disks, where this user may mount some."""
    async with AsyncExitStack() as stack:
        disk = store = backing = None
        try:
            disk = stack.enter_context(small_disk(folder / "threads", DISK_KIB))
            backing = stack.enter_context(small_disk(folder / "backing", DISK_KIB)).path
            store = Disk(folder / "store", DISK_KIB)
            store.path.mkdir()
            store.mount(again_from=backing)
            stack.callback(store.unmount)
        except pytest.skip.Exception:
            disk = store = backing = None
        built = await stack.enter_async_context(site(folder, threads=threads, real=real, upgrades=threads > 1))
        (folder / "simulated.json").write_text(json.dumps(STAGES))
        yield Attack(built, chance, disk, store, backing)


async def campaign(folder: Path, plan: Plan, say: Say, stop: asyncio.Event) -> Report:
    """Strike until so many kills are done, or until ``stop``; let the site come to its end, and check."""
    chance, report = random.Random(plan.seed), Report(plan.seed)  # noqa: S311 - a seed repeats it
    async with attacked(folder, chance, threads=plan.threads, real=plan.real) as attack:
        built = attack.site
        blows = [blow for blow in BLOWS if attack.disk or not blow.needs_disk]
        report.skipped = [blow.name for blow in BLOWS if blow not in blows]
        await _went_on(built, 0)
        while report.kills < plan.kills and not stop.is_set():
            kind = chance.random() >= OTHERS
            of_kind = [blow for blow in blows if blow.kills is kind]
            built.deal()
            blow, *_ = chance.choices(of_kind, [each.weight for each in of_kind])
            await _struck(attack, blow, report, say)
            await asyncio.sleep(chance.uniform(0, 1.5))
        report.points = len(attack.died_at)
        say("the blows are over; what is under way comes to its end")
        client = await Client.connect(f"127.0.0.1:{built.temporal.port}", data_converter=pydantic_data_converter)
        await sealed(built)
        report.sectors = len(built.ask("SELECT name FROM sectors"))
        report.upgrades = len(built.ask("SELECT number FROM upgrades"))
        report.wrong = await check(built, client)
    return report


async def _struck(attack: Attack, blow: Blow, report: Report, say: Say) -> None:
    before = attack.site.progress()
    detail = await blow.strike(attack)
    seconds = await _went_on(attack.site, before)
    report.kills += blow.kills
    report.recoveries += blow.kills
    report.seconds[blow.name].append(seconds)
    say(f"{report.kills:4}  {blow.name:<28} {seconds:5.1f} s  {detail}")


async def _went_on(built: Site, before: int) -> float:
    """Wait until a sector has gone on, and return the seconds."""
    began = time.monotonic()
    await until(lambda: built.progress() > before, f"a sector to go on; see {built.worker.log}", WORK_WITHIN)
    return time.monotonic() - began


async def sealed(built: Site, sectors: int | None = None) -> None:
    """Let the manager give out no more, or so many in all, wait until they have ended, and end the worker."""
    await built.manager.kill()
    built.withdraw_deals()
    count = len(built.ask("SELECT name FROM sectors")) if sectors is None else sectors
    built.limit(count)
    await built.manager.start()
    await built.manager.ready()
    ended = "SELECT name FROM sectors WHERE ended IS NOT NULL"
    upgrading = "SELECT number FROM upgrades WHERE ended IS NULL"
    with contextlib.suppress(AssertionError):  # which have not ended is the checker's to tell
        await until(lambda: len(built.ask(ended)) == count, "all sectors to end", END_WITHIN)
        await until(lambda: not built.ask(upgrading), "all upgrades to end", END_WITHIN)
    await asyncio.sleep(1)  # for the threads to see it, and to have nothing more
    await built.worker.kill()


def lines(report: Report) -> str:
    """Return a report for people."""
    told = [f"{'BLOW':<28} {'TIMES':>5} {'MEDIAN':>8} {'WORST':>8}"]
    for name, seconds in report.seconds.items():
        told.append(f"{name:<28} {len(seconds):>5} {statistics.median(seconds):>6.1f} s {max(seconds):>6.1f} s")
    told += [f"not tried, for this user may not mount disks: {name}" for name in report.skipped]
    told += [f"WRONG: {line}" for line in report.wrong]
    told.append(
        f"{report.kills} kills, {report.recoveries} recoveries, {report.points} named points died at; "
        f"{report.sectors} sectors, {report.upgrades} upgrades, {len(report.wrong)} things wrong; seed {report.seed}"
    )
    return "\n".join(told)


async def _until_interrupted(folder: Path, plan: Plan, say: Say) -> Report:
    """Run a campaign whose blows Ctrl-C ends: what was done is looked at all the same."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    return await campaign(folder, plan, say, stop)


def main() -> int:
    """Run a campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None, help="repeats the choices of a campaign, not its moments")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--real", action="store_true", help="compute real 2 KiB sectors; C2 takes a minute")
    parser.add_argument("--keep", type=Path, help="an empty folder that stays")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    logging.disable(logging.WARNING)

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    with tempfile.TemporaryDirectory(prefix="sealflow-chaos-") as name:
        folder = given.keep or Path(name)
        plan = Plan(given.kills, seed, given.threads, given.real)
        report = asyncio.run(_until_interrupted(folder, plan, say))
    sys.stdout.write((json.dumps(asdict(report), indent=2) if given.json else lines(report)) + "\n")
    return 1 if report.wrong or report.recoveries < report.kills else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the SDK's threads crash now and then while the interpreter ends
