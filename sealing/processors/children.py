"""Child processes that may outlive us: started in a session of their own, reaped when they end before we do."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sealing.processors import processes
from sealing.processors.folder import JobFolder
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


def spawn(command: Sequence[str], files: JobFolder, lock: int, processor: Processor) -> Child:
    """Start a job's leader, which inherits ``lock`` and so holds it until it ends. Raises OSError if that fails."""
    environment = {**processor.environment(), processes.MARK: str(files.path)}
    with files.log.open("wb") as log:
        popen = subprocess.Popen(  # noqa: S603 - the configured program is what is to be run
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
            env=environment,
        )
    # It may have ended already; its pid stays taken until it is reaped, which nobody does before the thread.
    child = Child(processes.look(popen.pid) or Process(popen.pid, 0, popen.pid), popen)
    for process, other in list(_ours.items()):
        if other.returncode is not None:
            _ours.pop(process, None)
    _ours[child.process] = popen
    threading.Thread(target=popen.wait, name=f"reaper of {popen.pid}", daemon=True).start()
    return child
