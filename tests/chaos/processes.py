"""Processes as Linux shows them, without the product's code: those of jobs, and whatever is at work in a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

PROC = Path("/proc")
MARK = b"SEALFLOW_JOB="


def leaders(folder: Path) -> list[int]:
    """Return the first process of each job below a folder."""
    return [pid for pid in jobs(folder) if session(pid) == pid]


def jobs(folder: Path) -> list[int]:
    """Return all processes of jobs below a folder."""
    return [pid for pid in _all() if job_of(pid).startswith(f"{folder}/")]


def job_of(pid: int) -> str:
    """Return the folder of the job that a process belongs to; empty for any other."""
    marks = (each.removeprefix(MARK) for each in _variables(pid) if each.startswith(MARK))
    return os.fsdecode(next(marks, b""))


def at_work_in(folders: Sequence[Path]) -> set[int]:
    """Return the processes that stand in one of the folders, or have a file there open."""
    return {pid for pid in _all() if any(_is_within(place, folder) for place in _places(pid) for folder in folders)}


def begun_for(folder: Path) -> set[int]:
    """Return the processes that were started with a variable that names something in a folder, as a job's mark does."""
    return {pid for pid in _all() if any(_is_within(_value(each), folder) for each in _variables(pid))}


def session(pid: int) -> int | None:
    """Return the session of a process, or None where it has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def runs(pid: int) -> bool:
    """Tell whether a process has not ended; one that is only to be reaped has."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _all() -> Iterator[int]:
    return (int(path.name) for path in PROC.iterdir() if path.name.isdigit())


def _variables(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _places(pid: int) -> Iterator[str]:
    links = [PROC / str(pid) / "cwd"]
    with contextlib.suppress(OSError):
        links += (PROC / str(pid) / "fd").iterdir()
    for link in links:
        try:
            yield str(link.readlink())
        except OSError:  # it has ended, has closed the file, or is somebody else's
            continue


def _value(variable: bytes) -> str:
    return os.fsdecode(variable.partition(b"=")[2])


def _is_within(place: str, folder: Path) -> bool:
    return place == str(folder) or place.startswith(f"{folder}/")
