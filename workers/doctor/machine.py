"""This machine's folders, and how many files a process may have open."""

from __future__ import annotations

import asyncio
import resource
import shlex
import shutil
from pathlib import Path

from sealing.config import Attached
from sealing.config.places import folder_problem
from sealing.stores import incumbent
from sealing.units import size_text
from workers.doctor.checks import Answer, Level, ok, warning, wrong

OPEN_FILES = 8192
"""Files that a worker and its jobs may need at once."""


async def location(folder: Path) -> Answer:
    """Look at a thread's location."""
    return await asyncio.to_thread(_location, folder)


def _location(folder: Path) -> Answer:
    seen = _look(folder, writable=True, needed=0)
    if seen.level is Level.OK and (unfinished := incumbent.unfinished(folder)):
        what, _, remedy = unfinished.partition("; ")
        return wrong(f"{folder} {what}", remedy)
    return seen


async def store(attached: Attached, needed: int) -> Answer:
    """Look at a store; ``needed`` is the bytes that one more sector takes, 0 where that is not known."""
    writable = not attached.readonly
    return await asyncio.to_thread(_look, attached.location, writable=writable, needed=needed if writable else 0)


def _look(folder: Path, *, writable: bool, needed: int) -> Answer:
    if problem := folder_problem(folder, writable=writable):
        what, _, remedy = problem.partition("; ")
        if not folder.exists():
            remedy = f"mount its disk, correct the path, or: mkdir -p {shlex.quote(str(folder))}"
        return wrong(f"{folder} {what}", remedy)
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {size_text(free)} free" + ("" if writable else ", readonly")
    if free < needed:
        return warning(f"{text}; one sector takes {size_text(needed)}", "make room, or add an [[attached]] store")
    return ok(text)


async def open_files() -> Answer:
    """Look at the limit of open files that this shell gives to what it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        return ok("no limit" if soft == resource.RLIM_INFINITY else f"{soft}")
    text = f"{soft}, {OPEN_FILES} are needed"
    unit = f"LimitNOFILE={OPEN_FILES} in the systemd unit"
    if hard == resource.RLIM_INFINITY or hard >= OPEN_FILES:
        return wrong(text, f"ulimit -n {OPEN_FILES} in the shell that starts the worker, or {unit}")
    return wrong(text, f"nofile {OPEN_FILES} for this user in /etc/security/limits.conf and a new login, or {unit}")
