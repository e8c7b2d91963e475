"""What befalls the site: kills by -9, and what else goes wrong. Each puts right what it did before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sealing.devnet.faults.book import order_fault
from sealing.devnet.faults.kinds import Down, Fault, Lost, Slow
from tests.chaos.attack import Attack, Missed
from tests.chaos.processes import job_of, leaders
from tests.chaos.programs import Program, Temporal, until
from tests.chaos.site import Site

FOR = 2.5
"""Seconds that what is no kill lasts: longer than the heartbeat timeout, and a poll."""
POINT_WITHIN = 10.0
"""Seconds in which a worker must have come to the point at which it is to die."""
AT_ITS_START = 0.5
"""How often a program that is to die at a point is started for that: some points it comes to only then."""
WRONG_CLOCK = 600
"""Seconds that the worker's clock may be wrong."""
CHAIN_JUMP = 60
"""Seconds that the manager's clock may jump: twelve hundred epochs of the site's chain."""
WITH_EFFECT = (
    "AllocateSector",
    "AssignTicket",
    "SubmitPreCommit",
    "SubmitPersistedEx",
    "SubmitProof",
    "ReportFinalized",
)


Strike = Callable[[Attack], Awaitable[str]]
"""What a blow does. Returns what else is to be told of it. Raises Missed."""


class Need(StrEnum):
    """What a machine may not have."""

    disks = "a user who may mount disks"
    compiler = "a C compiler, cc"


@dataclass(frozen=True)
class Blow:
    """A kind of blow. ``kills`` says whether it kills something, ``needs`` what it cannot be done without."""

    name: str
    strike: Strike
    kills: bool = True
    needs: Need | None = None
    weight: int = 1
    """How often it is chosen beside the others."""
    weight_of_new: int = 0
    """The same while there is a point at which nothing has died."""

    def weight_in(self, attack: Attack) -> int:
        """Return how often it is chosen beside the others now."""
        return self.weight_of_new if self.weight_of_new and attack.worth_a_try() else self.weight


# Kills


async def worker(attack: Attack) -> str:
    """Kill the worker."""
    await _again(attack.site.worker)
    return ""


async def at_a_point(attack: Attack) -> str:
    """Let the worker or the manager die at the first point that it comes to of some at which nothing has died yet.

    It is in the middle of its work, or is started for it.
    """
    program, points = attack.next_points()
    deaths = len(program.died_at)
    program.order(*points)
    if attack.chance.random() < AT_ITS_START:
        await _again(program)
    await program.ended(POINT_WITHIN)
    program.order()
    died_at = program.died_at[-1] if len(program.died_at) > deaths else None
    assert died_at or program.is_running, f"the {program.name} ended by itself; see {program.log}"
    attack.note_death(program, points, died_at)
    await _again(program)
    return f"{program.name}: {died_at or f'came to none of {len(points)} points'}"


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


async def broken_output(attack: Attack) -> str:
    """Kill the worker, and break the output of a job that ends without it."""
    site = attack.site
    await site.worker.kill()
    running = sorted(job_of(pid) for pid in leaders(site.folder))
    broken = await _broken(site, Path(attack.chance.choice(running))) if running else "no job ran"
    await _again(site.worker)
    return broken


async def everything(attack: Attack) -> str:
    """Kill all there is, and start it in any order; for the jobs the machine is another after that."""
    site = attack.site
    programs: list[Program | Temporal] = list(site.programs)
    await asyncio.gather(*(program.kill() for program in programs))
    count = _end_all_jobs(site.folder)
    site.restart_machine()
    attack.chance.shuffle(programs)
    for program in programs:
        await program.start()
    await asyncio.gather(site.manager.ready(), site.worker.ready())
    return f"{count} jobs, started {', '.join(program.name for program in programs)}"


async def wrong_clock(attack: Attack) -> str:
    """Kill the worker, and start one whose clock is wrong."""
    program = attack.site.worker
    program.ahead = attack.chance.choice((-WRONG_CLOCK, WRONG_CLOCK))
    await _again(program)
    ahead, program.ahead = program.ahead, 0
    return f"{ahead:+d} s"


async def chain_jumps(attack: Attack) -> str:
    """Kill the manager, and start it with a clock further ahead, for good: it is the chain's, which never goes back."""
    program = attack.site.manager
    jump = attack.chance.randint(1, CHAIN_JUMP)
    program.ahead += jump
    await _again(program)
    return f"{jump:+d} s"


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
    order_fault(attack.site.devnet, fault, lambda: time.time() + attack.site.manager.ahead)
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
    Blow("at a point", at_a_point, weight=4, weight_of_new=12),
    Blow("job", job),
    Blow("job's leader", leader),
    Blow("Temporal", temporal),
    Blow("manager", manager),
    Blow("worker and jobs", machine),
    Blow("worker, and a job's output", broken_output),
    Blow("everything", everything),
    Blow("worker, then a wrong clock", wrong_clock, needs=Need.compiler),
    Blow("manager, then a jump", chain_jumps, needs=Need.compiler),
    Blow("frozen", frozen, kills=False),
    Blow("cut off", cut, kills=False),
    Blow("manager's answers", answers, kills=False),
    Blow("full disk", full, kills=False, needs=Need.disks),
    Blow("store away", away, kills=False, needs=Need.disks),
)


async def _again(program: Program | Temporal) -> None:
    await program.kill()
    await program.start()
    if isinstance(program, Program):
        await program.ready()


async def _broken(site: Site, job: Path) -> str:
    """Wait until a job has ended, cut what it has put out in half, and note that."""
    with contextlib.suppress(AssertionError):
        await until(lambda: str(job) not in map(job_of, leaders(site.folder)), "the job to end", POINT_WITHIN)
        output = job / "output.json"
        if output.exists():
            site.note_broken(job)
            os.truncate(output, output.stat().st_size // 2)
            return job.name
    return f"{job.name} put out nothing"


async def _end_job(attack: Attack, end: Callable[[int, int], None]) -> str:
    """Kill a job once there is one, which may end by itself in this moment; return its stage. Raises Missed."""
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
    raise Missed("no job ran")


def _end_all_jobs(folder: Path) -> int:
    found = leaders(folder)
    for pid in found:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(found)
