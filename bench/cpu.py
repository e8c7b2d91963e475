"""What a process has used of the CPU, as Linux counts it."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process itself has used: its children are others."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_all(pid: int) -> float:
    """Return the CPU seconds of a process with all that it has started, also what has ended since."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / TICK
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(map(_cpu_if_there, children))


def _cpu_if_there(child: str) -> float:
    try:
        return cpu_of_all(int(child))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has ended in this moment, and is its parent's next time
