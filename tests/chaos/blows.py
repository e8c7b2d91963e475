"""What befalls the site: kills by -9, and what else goes wrong. Each puts right what it did before it ends."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from sealing.devnet.faults.book import order_fault
from sealing.devnet.faults.kinds import Down, Fault, Lost, Slow
from tests.chaos.site import Program, Site, Temporal
from tests.world.disks import Disk

FOR = 2.5
"""Seconds that what is no kill lasts: longer than the heartbeat timeout, and a poll."""
POINT_WITHIN = 10.0
"""Seconds in which a worker must have come to the point at which it is to die."""
WRONG_CLOCK = 600.0
"""Seconds that a clock may be wrong."""
WITH_EFFECT = (
    "AllocateSector",
    "AssignTicket",
    "SubmitPreCommit",
    "SubmitPersistedEx",
    "SubmitProof",
    "ReportFinalized",
)
MARK = b"SEALFLOW_JOB="


@dataclass
class Attack:
    """The site, what decides by chance, and what the attack knows: its disks, and the points that were died at."""

    site: Site
    chance: random.Random
    disk: Disk | None = None
    store: Disk | None = None
    backing: Path | None = None
    died_at: set[str] = field(default_factory=set)


Strike = Callable[[Attack], Awaitable[str]]


@dataclass(frozen=True)
class Blow:
    """A kind of blow. ``kills`` says whether it kills something, ``needs_disk`` whether small disks must be mounted."""

    name: str
    strike: Strike
    kills: bool = True
    needs_disk: bool = False
    weight: int = 1
    """How often it is chosen beside the others."""


# Kills


async def worker(attack: Attack) -> str:
    """Kill the worker."""
    await _again(attack.site.worker)
    return ""


async def worker_at_a_point(attack: Attack) -> str:
    """Let a worker die at a point at which none has died, if there is one that is known and it comes to it."""
    site, points = attack.site, [each for each in attack.site.points if each not in attack.died_at]
    if not points:
        return await worker(attack)
    point = attack.chance.choice(points)
    site.order(die_at=point)
    await _again(site.worker)
    await site.worker.ended(POINT_WITHIN)
    site.order()
    if site.worker.is_running:
        await _again(site.worker)
        return f"not come to: {point}"
    attack.died_at.add(point)
    await _again(site.worker)
    return point


async def job(attack: Attack) -> str:
    """Kill all processes of a job."""
    return await _end_job(attack, os.killpg)


async def leader(attack: Attack) -> str:
    """Kill a job's first process only: what it has started runs on."""
    return await _end_job(attack, os.kill)


async def temporal(attack: Attack) -> str:
    """Kill the Temporal server."""
    await _again(attack.site.temporal)
    return ""


async def manager(attack: Attack) -> str:
    """Kill the manager."""
    await _again(attack.site.manager)
    return ""


async def machine(attack: Attack) -> str:
    """Kill the worker and all jobs."""
    await attack.site.worker.kill()
    count = _end_all_jobs(attack.site.folder)
    await _again(attack.site.worker)
    return f"{count} jobs"


async def everything(attack: Attack) -> str:
    """Kill all there is, and start it in any order."""
    site = attack.site
    programs: list[Program | Temporal] = [site.worker, site.temporal, site.manager]
    await asyncio.gather(*(program.kill() for program in programs))
    count = _end_all_jobs(site.folder)
    attack.chance.shuffle(programs)
    for program in programs:
        await program.start()
    await asyncio.gather(site.manager.ready(), site.worker.ready())
    return f"{count} jobs, started {', '.join(program.name for program in programs)}"


async def wrong_clock(attack: Attack) -> str:
    """Kill the worker, and start one whose clock is wrong."""
    ahead = attack.chance.choice((-WRONG_CLOCK, WRONG_CLOCK))
    attack.site.order(clock=ahead)
    await _again(attack.site.worker)
    attack.site.order()
    return f"{ahead:+.0f} s"


# What is no kill


async def frozen(attack: Attack) -> str:
    """Stop a program in the middle of what it does, and let it go on: it does not know that time has passed."""
    site = attack.site
    program: Program | Temporal = attack.chance.choice((site.worker, site.temporal, site.manager))
    program.send(signal.SIGSTOP)
    await asyncio.sleep(FOR)
    program.send(signal.SIGCONT)
    return program.name


async def cut(attack: Attack) -> str:
    """Cut the worker's connections to one side."""
    to = attack.chance.choice(("Temporal", "manager"))
    relay = attack.site.to_temporal if to == "Temporal" else attack.site.to_manager
    relay.cut()
    await asyncio.sleep(FOR)
    relay.mend()
    return to


async def answers(attack: Attack) -> str:
    """Lose an answer of the manager, delay some, or let it be away."""
    method = attack.chance.choice(WITH_EFFECT)
    fault: Fault = attack.chance.choice(
        (Lost.model_validate({"method": method}), Slow(seconds=FOR, times=4), Down(seconds=FOR))
    )
    order_fault(attack.site.devnet, fault, time.time)
    await asyncio.sleep(FOR)
    return f"{fault.kind}{f' {method}' if isinstance(fault, Lost) else ''}"


async def full(attack: Attack) -> str:
    """Fill the disk of the locations, or that of the store."""
    disk = attack.chance.choice([each for each in (attack.disk, attack.store) if each])
    ballast = disk.fill()
    await asyncio.sleep(FOR)
    ballast.unlink()
    return disk.path.name


async def away(attack: Attack) -> str:
    """Take the store away in the middle of whatever comes into it, and bring it back."""
    assert attack.store is not None
    assert attack.backing is not None
    attack.store.unmount()
    await asyncio.sleep(FOR)
    attack.store.mount(again_from=attack.backing)
    return ""


BLOWS = (
    Blow("worker", worker),
    Blow("worker at a point", worker_at_a_point, weight=4),
    Blow("job", job),
    Blow("job's leader", leader),
    Blow("Temporal", temporal),
    Blow("manager", manager),
    Blow("worker and jobs", machine),
    Blow("everything", everything),
    Blow("worker, then a wrong clock", wrong_clock),
    Blow("frozen", frozen, kills=False),
    Blow("cut off", cut, kills=False),
    Blow("manager's answers", answers, kills=False),
    Blow("full disk", full, kills=False, needs_disk=True),
    Blow("store away", away, kills=False, needs_disk=True),
)


async def _again(program: Program | Temporal) -> None:
    await program.kill()
    await program.start()
    if isinstance(program, Program):
        await program.ready()


async def _end_job(attack: Attack, end: Callable[[int, int], None]) -> str:
    """Kill a job once there is one, which may end by itself in this moment; return its stage."""
    give_up = time.monotonic() + POINT_WITHIN
    while time.monotonic() < give_up:
        for pid in attack.chance.sample(found := leaders(attack.site.folder), len(found)):
            folder = job_of(pid)
            try:
                end(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            return Path(folder).name
        await asyncio.sleep(0.01)
    return "none ran"


def _end_all_jobs(folder: Path) -> int:
    found = leaders(folder)
    for pid in found:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(found)


def leaders(folder: Path) -> list[int]:
    """Return the first process of each job below a folder."""
    return [pid for pid in jobs(folder) if _session(pid) == pid]


def jobs(folder: Path) -> list[int]:
    """Return all processes of jobs below a folder."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if job_of(pid).startswith(f"{folder}/")]


def job_of(pid: int) -> str:
    """Return the folder of the job that a process belongs to; empty for any other."""
    try:
        variables = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((os.fsdecode(each.removeprefix(MARK)) for each in variables if each.startswith(MARK)), "")


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
