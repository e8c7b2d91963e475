"""A job's folder: its files, the record of its last start, and ending what runs in it.

lock         held by the job's processes for as long as one of them lives
job.json     the record: what was started, when, and by which pid
task.json    the processor's input
output.json  the processor's output, renamed into place by it when it is whole
log          what the processor said; log.before is that of the start before
layers.json  of PC1: its layers that are safe on the disk, by sealing/stores/layers.py
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sealing import foreign
from sealing.failures import Temporary
from sealing.processors import locks, processes
from sealing.stores import durable
from sealing.values import Frozen, Hex32

STARTING = "starting"
"""Name of the lock, beside the jobs' folders, under which a sector's jobs are started, settled and ended."""
LOG_TAIL = 1600
"""Bytes of the log's end that go into the text of a failure."""
GRACE = 2.0
"""Seconds between asking a job to end and killing it."""
PATIENCE = 30.0
"""Seconds to wait for killed processes to be gone: one that hangs in the kernel cannot go."""


class Record(Frozen):
    """What was started last in a folder. ``started`` is in seconds since 1970; pid and ``began`` are of its leader."""

    stage: str
    round: int
    fingerprint: Hex32
    boot: str
    started: float
    pid: int | None = None
    began: int | None = None
    basis: str = ""
    processor: str = ""
    """The name of the processor that it was given."""
    stream: bool = False
    """Its leader is a processor that does other tasks as well. It is noted only while the task is in flight there."""
    settled: bool = False
    """The output was taken once: what the stage left is synced and outlives a power cut."""


ended_for: defaultdict[processes.Process, set[Path]] = defaultdict(set)
"""Processors that do many tasks and that this process ended, and the folders of the jobs for whose sake.

Whoever follows such a processor takes it out of here: to its other tasks this is no failure of theirs.
"""


@dataclass(frozen=True)
class JobFolder:
    """The files of one job. The path is absolute: it marks the job's processes."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> JobFolder:
        """Return the folder at a path that may be relative."""
        return cls(path.absolute())

    @property
    def lock(self) -> Path:
        """The file that the job's processes hold, and nobody else for more than a moment."""
        return self.path / "lock"

    @property
    def starting(self) -> Path:
        """The lock of all who start, settle or end a job of this sector."""
        return self.path.parent / STARTING

    @property
    def task(self) -> Path:
        """The processor's input."""
        return self.path / "task.json"

    @property
    def output(self) -> Path:
        """The processor's output."""
        return self.path / "output.json"

    @property
    def log(self) -> Path:
        """The processor's stdout and stderr."""
        return self.path / "log"

    def record(self) -> Record | None:
        """Return the record of the last start; None if there is none that can be read."""
        try:
            return Record.model_validate_json(foreign.read(self.path / "job.json", foreign.DOCUMENT_LIMIT))
        except (FileNotFoundError, ValueError):
            return None

    def note(self, record: Record) -> None:
        """Keep the record."""
        durable.write(self.path / "job.json", record.model_dump_json().encode())

    def forget(self) -> None:
        """Remove the record."""
        (self.path / "job.json").unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Tell whether the job runs."""
        return locks.is_held(self.lock)

    def leader(self) -> processes.Process | None:
        """Return the job's first process, if it still runs. A task in a stream has no process of its own."""
        record = self.record()
        if record is not None and record.stream:
            return None
        return self._noted_leader() or processes.leader(self.path)

    def _noted_leader(self) -> processes.Process | None:
        record = self.record()
        if record is None or record.pid is None or record.boot != processes.boot_id():
            return None
        if record.stream and not self.is_running():  # answered or lost, whatever else the processor still does
            return None
        found = processes.look(record.pid)
        return found if found and found.began == record.began else None

    def wipe(self) -> None:
        """Remove all but the lock: a lock that is removed while somebody waits for it would be two."""
        for entry in self.path.iterdir():
            if entry != self.lock:
                durable.remove(entry)

    def keep_log(self) -> None:
        """Set the log of the start before aside: it may say why there has to be another."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".before"))

    def log_tail(self) -> str:
        """Return the last words of the processor."""
        return foreign.tail(self.log, LOG_TAIL)

    def halt(self, grace: float = GRACE) -> bool:
        """End every process of the job, and wait until they are gone. Return whether there was one.

        A task in a stream can be ended only with the processor and all its other tasks.
        Temporary if one cannot be ended. The caller is alone in ``starting``, so that nobody starts the job meanwhile.
        """
        first = self._noted_leader()  # one that is not noted is found by its mark, with all others
        sessions = {first.pid} if first else set()
        record = self.record()
        since = (record.began or 0) if record and record.boot == processes.boot_id() else 0

        def alive() -> list[processes.Process]:
            found = processes.family(self.path, sessions, since)
            sessions.update(each.pid for each in found if each.pid == each.session)
            return found

        if not alive() and not self.is_running():
            return False
        if first and record is not None and record.stream:
            ended_for[first].add(self.path)
        left = processes.end_all(alive, grace, PATIENCE)
        if left or not self._is_free(PATIENCE):
            pids = ", ".join(str(each.pid) for each in left) or "a process that is not known"
            raise Temporary(
                f"the job in {self.path} does not end although it was killed (still there: {pids}); "
                "a process hangs like this when its disk or network store does not answer"
            )
        return True

    def _is_free(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while self.is_running():
            if time.monotonic() >= until:
                return False
            time.sleep(locks.LOOK_AGAIN)
        return True


def job_folders(jobs: Path) -> Iterator[JobFolder]:
    """Yield the folders of one sector's jobs."""
    if jobs.is_dir():
        yield from (JobFolder(path) for path in sorted(jobs.iterdir()) if (path / "lock").is_file())
