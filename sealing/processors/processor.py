"""What runs a stage's tasks: a program, how it is spoken to, where on the machine it may run, how much at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Protocol(StrEnum):
    """How a processor is given its tasks."""

    job = "job"
    """One process a task, by files: it outlives the worker."""
    stream = "stream"
    """One process for many tasks, by lines on its stdin and stdout: what it is at is lost with the worker."""


@dataclass(frozen=True)
class Placement:
    """Where on the machine a processor's processes may run; nothing given means everywhere."""

    cpus: str | None = None
    """A list of CPUs as the kernel writes it, such as ``0-7,16``."""
    group: str | None = None
    """The name of the control group that holds them."""
    numa_node: int | None = None
    """The memory node to be preferred."""


@dataclass(frozen=True)
class Processor:
    """One processor of a stage. ``argv`` is the program and what comes before the stage's own arguments.

    ``concurrent`` is how many tasks it is given at a time, without a limit of its own where it is None. ``locks`` are
    the names of those that it holds one of each for every task. ``stable_wait`` in seconds is how long after its start
    a stream has to say that it is ready.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    inherit_env: bool = True
    protocol: Protocol = Protocol.job
    placement: Placement = Placement()
    concurrent: int | None = None
    locks: tuple[str, ...] = ()
    auto_restart: bool = True
    stable_wait: float = 5.0

    def environment(self) -> dict[str, str]:
        """Return the whole environment of its processes."""
        return {**(os.environ if self.inherit_env else {}), **self.env}
