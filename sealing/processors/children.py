"""Child processes that may outlive us: started in a session of their own, reaped when they end before we do."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealing.processors import processes
from sealing.processors.folder import JobFolder
from sealing.processors.placement import join_group, placed
from sealing.processors.processes import Process
from sealing.processors.processor import Processor

_ours: dict[Process, subprocess.Popen[bytes]] = {}
"""Children of this process: their exit status is known to nobody else."""


@dataclass(frozen=True)
class Child:
    """The leader of a job, and our hold on it if we started it."""

    process: Process
    popen: subprocess.Popen[bytes] | None

    @classmethod
    def found(cls, process: Process) -> Child:
        """Return a leader that was found running; it may be ours from before."""
        return cls(process, _ours.get(process))

    def status(self) -> int | None:
        """Return the exit status after the end, negative for a signal; None if the process was not our child."""
        return self.popen.wait() if self.popen else None


def behind(before: Sequence[str], command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return ``command`` behind the programs that start it. Raises OSError as a start would if there is none to start.

    The program in front would be started all the same, and say in words of its own that it found nothing.
    """
    if before and shutil.which(command[0], path=environment.get("PATH")) is None:
        number = errno.EACCES if Path(command[0]).exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), command[0])
    return [*before, *command]


def spawn(command: Sequence[str], files: JobFolder, lock: int, processor: Processor) -> Child:
    """Start a job's leader, which inherits ``lock`` and so holds it until it ends.

    Raises OSError if that fails, and Permanent where the machine has not the CPUs that it is to run on.
    """
    environment = {**processor.environment(), processes.MARK: str(files.path)}
    with files.log.open("wb") as log, placed(processor) as before:
        popen = subprocess.Popen(  # noqa: S603 - the configured program is what is to be run
            behind(before, command, environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
            env=environment,
        )
    join_group(processor, popen.pid)
    # It may have ended already; its pid stays taken until it is reaped, which nobody does before the thread.
    child = Child(processes.look(popen.pid) or Process(popen.pid, 0, popen.pid), popen)
    for process, other in list(_ours.items()):
        if other.returncode is not None:
            _ours.pop(process, None)
    _ours[child.process] = popen
    threading.Thread(target=popen.wait, name=f"reaper of {popen.pid}", daemon=True).start()
    return child
