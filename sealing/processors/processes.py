"""Processes of jobs, as Linux shows them: who they are, when they began, waiting for their end, and ending them.

A job's processes are found by the session that its first process leads and by a mark in their environment. A pid
alone never stands for a process: it goes with the time at which the process began.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "SEALFLOW_JOB"
"""Environment variable of a job's processes: the job's folder."""
PROC = Path("/proc")
BOOT_ID = "SEALFLOW_BOOT_ID"
TICKS = os.sysconf("SC_CLK_TCK")
LOOK_AGAIN = 0.02
"""Seconds between two looks at a group that is being ended."""


@dataclass(frozen=True)
class Process:
    """A process: its pid, when it began in clock ticks since boot, and its session."""

    pid: int
    began: int
    session: int

    @property
    def seconds(self) -> float:
        """Seconds since it began; right also when the wall clock is set."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.began / TICKS)


def boot_id() -> str:
    """Return what tells one run of this machine from the next: after another one no page cache is what it was.

    SEALFLOW_BOOT_ID names another file to read it from: with it a test lets the machine restart.
    """
    return Path(os.environ.get(BOOT_ID) or PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()


def look(pid: int) -> Process | None:
    """Return the process with this pid, or None if there is none that still runs."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold anything; the fields behind it are state, ppid, pgrp, session, …
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]), int(fields[3]))


def leader(folder: Path) -> Process | None:
    """Return the process that leads the job of this folder, found by its mark."""
    return next((each for each in _all() if each.pid == each.session and _is_marked(each, folder)), None)


def family(folder: Path, sessions: set[int], since: int = 0) -> list[Process]:
    """Return the job's processes that run: those of its sessions and those that bear its mark.

    None of them began before ``since``, in clock ticks since boot: of the others the environment is not read.
    """
    return [each for each in _all() if each.began >= since and (each.session in sessions or _is_marked(each, folder))]


async def ended(process: Process) -> None:
    """Wait until the process has ended, without looking again and again."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    try:
        if look(process.pid) != process:
            return
        loop.add_reader(descriptor, end.set)
        await end.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def end_all(alive: Callable[[], list[Process]], grace: float, patience: float) -> list[Process]:
    """Ask all that ``alive`` finds to end, kill them after ``grace`` seconds, return those alive ``patience`` later."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, patience)):
        until = time.monotonic() + seconds
        told: set[Process] = set()
        while found := alive():
            for each in set(found) - told:
                _tell(each, number)
            told |= set(found)
            if time.monotonic() >= until:
                break
            time.sleep(LOOK_AGAIN)
    return alive()


def _tell(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if look(process.pid) == process:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _all() -> Iterator[Process]:
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (process := look(int(entry.name))):
            yield process


def _is_marked(process: Process, folder: Path) -> bool:
    try:
        environment = (PROC / str(process.pid) / "environ").read_bytes()
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False
    return f"{MARK}={folder}".encode() in environment.split(b"\0")
