"""Where on the machine a processor runs: its CPUs, its control group, its memory node.

CPUs are bound by the affinity of the thread that starts the process, which the process inherits before its first
instruction. A control group, where the machine lets one, keeps it from choosing other CPUs later. The memory node is
numactl's work, where that is installed. What a machine does not let one do is told once, and the process runs without.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sealing.failures import Permanent
from sealing.processors.processor import Processor

log = logging.getLogger(__name__)

ONLINE = Path("/sys/devices/system/cpu/online")
MOUNTS = Path("/proc/self/mounts")
GROUPS = "sealflow"
"""The control group that holds those of the processors."""
CPUS_EXAMPLE = 'a list of CPUs in quotes, such as "0-7,16"'
MAX_CPU = 8191
"""The highest CPU that Linux can be built for."""
CPUS_LIMIT = 4096
"""Characters of a list of CPUs that are read: one that names some ranges over and over would take minutes."""
SHOWN = 80
"""Characters of what is no CPU that are shown."""
_NUMBER = "([0-9]{1,18})"
_RANGE = re.compile(rf"\s*{_NUMBER}(?:\s*-\s*{_NUMBER}(?::{_NUMBER}/{_NUMBER})?)?\s*")

_told: set[str] = set()
_telling = threading.Lock()


def parse_cpus(text: str) -> frozenset[int]:
    """Return the CPUs of a list as the kernel writes it: ``0-7,16``, or ``0-7:1/2`` for the first of every two.

    Raises ValueError that says what would be right.
    """
    if len(text) > CPUS_LIMIT:
        raise ValueError(f"has more than {CPUS_LIMIT} characters; write {CPUS_EXAMPLE}")
    cpus: set[int] = set()
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            raise ValueError(f"{part.strip()[:SHOWN]!r} is no CPU and no range of CPUs; write {CPUS_EXAMPLE}")
        first, last = int(found[1]), int(found[2] or found[1])
        used, of = int(found[3] or 1), int(found[4] or 1)
        if last < first or not 1 <= used <= of:
            raise ValueError(f"the range {part.strip()!r} is empty; write {CPUS_EXAMPLE}")
        if last > MAX_CPU:
            raise ValueError(f"there is no CPU {last}: the highest that Linux knows is {MAX_CPU}")
        for offset in range(min(used, last - first + 1)):
            cpus.update(range(first + offset, last + 1, of))
    return frozenset(cpus)


def cpus_text(cpus: Sequence[int] | frozenset[int]) -> str:
    """Return CPUs as the kernel writes them."""
    spans: list[list[int]] = []
    for cpu in sorted(cpus):
        if spans and cpu == spans[-1][1] + 1:
            spans[-1][1] = cpu
        else:
            spans.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def machine_cpus() -> frozenset[int]:
    """Return the CPUs of this machine that are on."""
    return parse_cpus(ONLINE.read_text().strip())


@contextmanager
def placed(processor: Processor) -> Iterator[Sequence[str]]:
    """Start a process of ``processor`` inside, in this thread: it inherits the CPUs.

    Gives what to put before its command. Raises Permanent for CPUs that the machine does not have.
    """
    before = os.sched_getaffinity(0)
    try:
        if processor.placement.cpus is not None:
            _bind(processor, processor.placement.cpus)
        yield _by_node(processor)
    finally:
        os.sched_setaffinity(0, before)


def join_group(processor: Processor, pid: int) -> None:
    """Put a process that has just started into its control group, if it is to have one and the machine lets it."""
    place = processor.placement
    if place.cpus is None:
        return
    try:
        base = _Cpusets.found()
        if base is None:
            _tell_once("this machine has no control groups for CPUs (cpuset): processors are bound by affinity alone")
            return
        base.join(group_name(processor), place.cpus, pid)
    except OSError as error:
        _tell_once(f"control groups cannot be used ({error}): processors are bound by affinity alone")


def group_name(processor: Processor) -> str:
    """Return the name of a processor's control group, below that of sealflow: ``cgroup.group_name``, or its own."""
    wanted = processor.placement.group or processor.name
    parts = (re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in wanted.split("/"))
    return "/".join(part for part in parts if part) or "processor"


def group_problem() -> str | None:
    """Tell why this machine lets nobody like us use control groups for CPUs; None if it does."""
    base = _Cpusets.found()
    if base is None:
        return "the machine has none with cpuset"
    folder = base.mount / GROUPS
    return None if os.access(folder if folder.exists() else base.mount, os.W_OK) else f"{base.mount} is not writable"


def numactl() -> str | None:
    """Return the program numactl, or None where it is not installed."""
    return shutil.which("numactl")


def _bind(processor: Processor, wanted: str) -> None:
    what = f'{processor.name}: cgroup.cpuset = "{wanted}"'
    try:
        cpus, there = parse_cpus(wanted), machine_cpus()
    except ValueError as error:
        raise Permanent(f"{what}: {error}") from None
    if missing := cpus - there:
        raise Permanent(
            f"{what} names CPUs {cpus_text(missing)}, and this machine has {cpus_text(there)}: correct it, then resume"
        )
    try:
        os.sched_setaffinity(0, cpus)
        lacking = cpus - os.sched_getaffinity(0)
    except OSError:
        lacking = cpus
    if lacking:
        raise Permanent(
            f"{what} names CPUs {cpus_text(lacking)}, which are kept from this worker by its own control group "
            "(AllowedCPUs of its systemd unit, or its container): correct one of them, then resume"
        )


def _by_node(processor: Processor) -> Sequence[str]:
    node = processor.placement.numa_node
    if node is None:
        return ()
    program = numactl()
    if program is None:
        _tell_once("numactl is not installed: numa_preferred has no effect; apt-get install numactl")
        return ()
    if not Path(f"/sys/devices/system/node/node{node}").exists():
        raise Permanent(
            f"{processor.name}: numa_preferred = {node}, and this machine has no such memory node: "
            "numactl --hardware lists them; correct it, then resume"
        )
    return (program, f"--preferred={node}")


def _tell_once(text: str) -> None:
    with _telling:
        if text in _told:
            return
        _told.add(text)
    log.warning(text)


@dataclass(frozen=True)
class _Cpusets:
    """Where control groups for CPUs are: those of version 1 have a tree of their own."""

    mount: Path
    version: int

    @classmethod
    def found(cls) -> _Cpusets | None:
        """Return the machine's, or None."""
        for line in MOUNTS.read_text().splitlines():
            _, where, kind, options, *_ = line.split()
            if kind == "cgroup" and "cpuset" in options.split(","):
                return cls(Path(where), 1)
            if kind == "cgroup2" and "cpuset" in _words(Path(where, "cgroup.controllers")):
                return cls(Path(where), 2)
        return None

    def join(self, name: str, cpus: str, pid: int) -> None:
        """Make the group if it is not there, and move the process into it. Raises OSError."""
        folder = self.mount
        for part in (GROUPS, *name.split("/")):
            if self.version == 2 and "cpuset" not in _words(folder / "cgroup.subtree_control"):  # noqa: PLR2004 - v2
                (folder / "cgroup.subtree_control").write_text("+cpuset")
            folder, above = folder / part, folder
            folder.mkdir(exist_ok=True)
            if self.version == 1:  # there a new group has no CPU and no memory
                for kind in ("cpus", "mems"):
                    if not (folder / f"cpuset.{kind}").read_text().strip():
                        (folder / f"cpuset.{kind}").write_text((above / f"cpuset.{kind}").read_text())
        (folder / "cpuset.cpus").write_text(cpus)
        (folder / "cgroup.procs").write_text(str(pid))


def _words(file: Path) -> Sequence[str]:
    try:
        return file.read_text().split()
    except OSError:
        return ()
