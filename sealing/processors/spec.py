"""What a job is and what it gives: the parts that those who describe a job need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from sealing.background import Check
from sealing.processors.folder import JobFolder
from sealing.processors.processor import Processor
from sealing.processors.tasks import StageTask
from sealing.values import FileRef

T = TypeVar("T")


@dataclass(frozen=True)
class Start:
    """What ``prepare`` is told.

    ``again``: the same inputs were started before and did not fail, so what they left whole can be gone on from.
    ``rebooted``: that was before the machine's restart. What was written then and not synced may be gone or broken.
    """

    again: bool
    check: Check
    rebooted: bool = False


def nothing(_: object) -> None:
    """Prepare or settle nothing."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """A stage to run.

    ``folder`` is the stage's, beside those of the sector's other stages. ``time_limit`` in seconds counts from
    the start of the process, whoever started it.

    ``basis`` stands for what the sector's files depend on beside the task: the ticket.

    ``prepare`` puts the files right, right before each start and only then. ``settle`` makes what the stage left
    durable, once, before the output is first given out. Both run in a thread and may be repeated after a crash.
    """

    folder: Path
    processor: Processor
    task: StageTask[T]
    round: int
    basis: str = ""
    time_limit: float | None = None
    prepare: Callable[[Start], None] = nothing
    settle: Callable[[Check], None] = nothing

    @property
    def files(self) -> JobFolder:
        """The files in the job's folder."""
        return JobFolder.at(self.folder)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that the output depends on: stage, task, its inputs' content, basis, round."""
        inputs = [ref.sha256 for ref in self.task.inputs()]
        parts = {
            "stage": self.task.stage,
            "task": self.task.wire(),
            "inputs": inputs,
            "basis": self.basis,
            "round": self.round,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def command(self) -> list[str]:
        """Return the whole command line."""
        files = self.files
        return [*self.processor.argv, self.task.stage, "--task", str(files.task), "--output", str(files.output)]


class How(StrEnum):
    """How an attempt came to its job."""

    started = "started"
    restarted = "restarted"
    """Started again: the same had been started before, and had not ended well."""
    attached = "attached"
    """Found running, started by this worker."""
    adopted = "adopted"
    """Found running, started by a worker before this one."""
    taken = "taken"
    """Found done."""


@dataclass(frozen=True)
class JobResult(Generic[T]):
    """What a job gave: its whole output file, the parsed answer, its run time in seconds, and how it was come by.

    ``is_first`` tells that its output was not given out before. ``began`` is when it was started, in seconds since
    1970, and ``processor`` the name of what it was started with.
    """

    output_ref: FileRef
    answer: T
    run_seconds: float
    how: How
    is_first: bool
    began: float
    processor: str

    @property
    def attached(self) -> bool:
        """Whether this call did not start the job."""
        return self.how not in {How.started, How.restarted}

    def output(self) -> T:
        """Return the answer."""
        return self.answer
