"""The process of a stream: its start, with pipes, a log and a folder of its own, and its end."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from typing import IO

from sealing.failures import Temporary
from sealing.processors import locks, processes
from sealing.processors.children import behind
from sealing.processors.folder import PATIENCE, JobFolder
from sealing.processors.placement import join_group, placed
from sealing.processors.processor import Processor

log = logging.getLogger(__name__)

LOG_LIMIT = 64 << 20
"""Bytes of a processor's log; beyond them it is begun anew, and what was there is the log before."""


def start(processor: Processor, files: JobFolder) -> subprocess.Popen[bytes]:
    """Start the process, alone in its folder, whose lock and mark it bears; it ends with the thread that calls this.

    Raises OSError where it cannot be started, and Temporary or Permanent.
    """
    files.path.mkdir(parents=True, exist_ok=True)
    with locks.alone(files.starting, _wait):
        files.halt()  # what the one before has left
    lock = locks.hold(files.lock)
    if lock is None:
        raise Temporary(f"{files.lock} is held by a process that is not known: {processor.name} cannot start")
    environment = {**processor.environment(), processes.MARK: str(files.path)}
    try:
        keep_log_short(files)
        with files.log.open("ab") as said, placed(processor) as before:
            popen = subprocess.Popen(  # noqa: S603 - the configured program is what is to be run
                behind((*_ending_with_us(), *before), processor.argv, environment),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                pass_fds=(lock,),
                env=environment,
            )
    finally:
        os.close(lock)
    join_group(processor, popen.pid)
    return popen


def identity(popen: subprocess.Popen[bytes]) -> processes.Process:
    """Return who it is. It may have ended already; its pid stays taken until it is reaped."""
    return processes.look(popen.pid) or processes.Process(popen.pid, 0, popen.pid)


def family(files: JobFolder, process: processes.Process | None) -> list[processes.Process]:
    """Return the processes of a stream that run."""
    return processes.family(files.path, {process.pid} if process else set())


def ended_within(process: processes.Process, seconds: float) -> bool:
    """Tell whether it ends so soon. It is not reaped: its pid stays its own."""
    until = time.monotonic() + seconds
    while processes.look(process.pid) == process:
        if time.monotonic() >= until:
            return False
        time.sleep(processes.LOOK_AGAIN)
    return True


def end(popen: subprocess.Popen[bytes], process: processes.Process, files: JobFolder, grace: float) -> int:
    """End it with all that it has started, however long that takes, and return its exit status.

    One that hangs in the kernel may still write to the files of its tasks: they are in flight until it is gone.
    """
    while processes.end_all(lambda: family(files, process), grace, PATIENCE):
        log.error("pid %d of %s was killed and does not end: its disk or store does not answer", popen.pid, files.path)
    return popen.wait()


def keep_log_short(files: JobFolder) -> None:
    """Begin the log anew once it is long; the process, which has it open, goes on at its start."""
    if files.log.exists() and files.log.stat().st_size > LOG_LIMIT:
        try:
            shutil.copyfile(files.log, files.log.with_suffix(".before"))
        except OSError as error:  # a full disk: less of the log is better than an end of what the process is at
            log.warning("%s is not kept: %s", files.log, error)
        os.truncate(files.log, 0)


def pipe(end: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe that was asked for."""
    if end is None:
        msg = "the process was started without its pipes"
        raise RuntimeError(msg)
    return end


def _ending_with_us() -> Sequence[str]:
    """Return what makes the kernel end a process with the thread that started it, where util-linux is there."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _wait() -> None:
    """Go on waiting."""
