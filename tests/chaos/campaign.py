"""Blows upon a site, one after the other, while it seals: ``make chaos``, and a short form in the tests.

After each every sector that is under way must go on by itself. At the end every sector that was given out must be
finished, and the checker finds nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.chaos.attack import Attack, Missed
from tests.chaos.blows import BLOWS, Blow, Need
from tests.chaos.checker import check
from tests.chaos.histories import Run, restored
from tests.chaos.loss import backup_restored, database_lost
from tests.chaos.programs import until
from tests.chaos.report import Report, as_json, lines
from tests.chaos.site import Site, site
from tests.world.disks import Disk, small_disk

WORK_WITHIN = 180.0
"""Seconds in which each sector must go on after a blow."""
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
    blows: tuple[Blow, ...] = BLOWS
    within: float = WORK_WITHIN
    """Seconds in which each sector must go on after a blow."""


Say = Callable[[str], None]


@asynccontextmanager
async def attacked(folder: Path, chance: random.Random, plan: Plan) -> AsyncIterator[Attack]:
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
        site_of = site(folder, threads=plan.threads, real=plan.real, upgrades=plan.threads > 1)
        built = await stack.enter_async_context(site_of)
        (folder / "simulated.json").write_text(json.dumps(STAGES))
        yield Attack(built, chance, disk, store, backing)


async def campaign(folder: Path, plan: Plan, say: Say, stop: asyncio.Event) -> Report:
    """Strike until so many kills are done, or until ``stop``; let the site come to its end, and check.

    What goes wrong in between ends the blows, so that it is found as it was, and is told in the report.
    """
    chance, report, began = random.Random(plan.seed), Report(plan.seed), time.monotonic()  # noqa: S311 - a seed repeats it
    earlier: list[Run] = []
    async with attacked(folder, chance, plan) as attack:
        blows = possible(attack, plan.blows)
        report.skipped = [f"{blow.name}, which needs {blow.needs}" for blow in plan.blows if blow not in blows]
        with _told(report):
            await attack.site.went_on(WORK_WITHIN)
            while report.kills < plan.kills and not stop.is_set() and not report.wrong:
                await _struck(attack, _chosen(attack, blows), plan.within, report, say)
                await asyncio.sleep(chance.uniform(0, 1.5))
            if not report.wrong:
                earlier = await _databases_gone(attack.site, plan.within, report, say)
        report.minutes = (time.monotonic() - began) / 60
        report.known, report.points = len(attack.points()), len(attack.deaths)
        report.left = [f"{program}: {point}" for program, point in attack.left()]
        say("what is under way comes to its end")
        with _told(report):
            await sealed(attack.site)
        with _told(report):
            await _checked(attack.site, report, earlier)
        if report.wrong and attack.disk:
            keep_disks(folder)
    return report


async def _databases_gone(built: Site, within: float, report: Report, say: Say) -> list[Run]:
    """Put an old backup of Temporal's database back, then lose all of it. Return the runs that were in the two."""
    client = await _client(built)
    before, report.replaced = await backup_restored(built, client, within)
    seconds = await built.went_on(within)
    say(f"an old backup of Temporal's database is put back: {report.replaced} sectors adopted, {seconds:.1f} s")
    after, report.adopted = await database_lost(built, client)
    seconds = await built.went_on(within)
    say(f"Temporal's database is lost: {report.adopted} sectors adopted, {seconds:.1f} s")
    return restored(before, after)


async def _client(built: Site) -> Client:
    return await Client.connect(f"127.0.0.1:{built.temporal.port}", data_converter=pydantic_data_converter)


async def _checked(built: Site, report: Report, earlier: list[Run]) -> None:
    report.sectors = len(built.ask("SELECT name FROM sectors"))
    report.upgrades = len(built.ask("SELECT number FROM upgrades"))
    report.wrong += await check(built, await _client(built), earlier)


@contextlib.contextmanager
def _told(report: Report) -> Iterator[None]:
    """Make whatever ends the block too early a line of what is wrong."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason to look at nothing
        report.wrong.append(f"{type(error).__name__}: {error}")


def possible(attack: Attack, blows: Sequence[Blow]) -> list[Blow]:
    """Return the blows for which this machine has all that they need."""
    has = {None: True, Need.disks: attack.disk is not None, Need.compiler: attack.site.has_clock}
    return [blow for blow in blows if has[blow.needs]]


def _chosen(attack: Attack, blows: Sequence[Blow]) -> Blow:
    kills = attack.chance.random() >= OTHERS
    of_kind = [blow for blow in blows if blow.kills is kills] or blows
    return attack.chance.choices(of_kind, [blow.weight_in(attack) for blow in of_kind])[0]


async def _struck(attack: Attack, blow: Blow, within: float, report: Report, say: Say) -> None:
    """Strike once, and see that each sector that is under way after it goes on."""
    built = attack.site
    if ended := [program.name for program in built.programs if not program.is_running]:
        raise AssertionError(f"before the blow {blow.name!r} there had ended by itself: {', '.join(ended)}")
    built.deal()
    try:
        detail = await blow.strike(attack)
    except Missed as why:
        report.missed += 1
        return say(f"{report.kills:4}  {blow.name:<28} {why}")
    report.kills += blow.kills
    try:
        seconds = await built.went_on(within)
    except AssertionError as error:
        raise AssertionError(f"after the blow {blow.name!r} ({detail}): {error}") from None
    report.recoveries += blow.kills
    report.seconds.setdefault(blow.name, []).append(seconds)
    return say(f"{report.kills:4}  {blow.name:<28} {seconds:5.1f} s  {detail}")


def keep_disks(folder: Path) -> None:
    """Copy what is on the small disks, which are gone with the site."""
    for name in ("threads", "store"):
        shutil.copytree(folder / name, folder / "left" / name, symlinks=True)


async def sealed(built: Site, sectors: int | None = None) -> None:
    """Let the manager give out no more, or so many in all, wait until they have ended, and end the worker.

    What has ended before its time is started again for that.
    """
    await built.manager.kill()
    built.withdraw_deals()
    count = len(built.ask("SELECT name FROM sectors")) if sectors is None else sectors
    built.limit(count)
    for program in built.programs:
        if not program.is_running:
            await program.start()
    await built.manager.ready()
    ended = "SELECT name FROM sectors WHERE ended IS NOT NULL"
    upgrading = "SELECT number FROM upgrades WHERE ended IS NULL"
    with contextlib.suppress(AssertionError):  # which have not ended is the checker's to tell
        await until(lambda: len(built.ask(ended)) == count, "all sectors to end", built.takes(END_WITHIN))
        await until(lambda: not built.ask(upgrading), "all upgrades to end", built.takes(END_WITHIN))
    await asyncio.sleep(1)  # for the threads to see it, and to have nothing more
    await built.worker.kill()


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

    folder = given.keep or Path(tempfile.mkdtemp(prefix="sealflow-chaos-"))
    plan = Plan(given.kills, seed, given.threads, given.real)
    report = asyncio.run(_until_interrupted(folder, plan, say))
    sys.stdout.write((as_json(report) if given.json else lines(report)) + "\n")
    if report.wrong:
        say(f"what is left of it: {folder}")
    elif not given.keep:
        shutil.rmtree(folder)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the SDK's threads crash now and then while the interpreter ends
