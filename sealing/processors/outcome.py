"""What a job that has ended means: its answer, or the failure that says what happened and what to do.

an err_msg in the output          Temporary: whether another try helps cannot be told from a text
ended by a signal, or otherwise   Temporary, with the log's end; SIGKILL is most often a lack of memory
3, output could not be written    Wait: the disk is full
an err_msg that speaks of space   Wait: the same; and so is any end without an output on a disk that is full
2, 126, 127, cannot be started    Permanent: the configuration names a program that does not do this stage
an output of another shape        Permanent: the program and this product do not fit together
"""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass
from typing import TypeVar

from pydantic_core import from_json

from sealing import foreign
from sealing.failures import LeveledFailure, Permanent, SealingFailure, Temporary, bounded
from sealing.processors.folder import JobFolder
from sealing.processors.lines import LINE_LIMIT
from sealing.processors.tasks import StageTask
from sealing.stores import space

T = TypeVar("T")
USAGE, UNWRITTEN, NOT_RUNNABLE, NOT_FOUND = 2, 3, 126, 127
"""Exit statuses of the processor contract, and of a shell that was asked to run a program that it cannot run."""
SHOWN = 200
"""Characters of an unexpected output that are shown."""


@dataclass(frozen=True)
class End:
    """How a job ended: its program, its exit status (None: another process started it), the limit it was beyond."""

    program: str
    status: int | None = None
    beyond: float | None = None


def read_answer(folder: JobFolder, task: StageTask[T], end: End) -> T:
    """Return the answer in the job's output. Raises the failure that the output, or its absence, stands for."""
    try:
        raw = foreign.read(folder.output, LINE_LIMIT)
    except FileNotFoundError:
        raise _no_output(folder, task.stage, end) from None
    except foreign.TooLargeError as error:
        raise Permanent(
            f"{end.program} {task.stage} wrote no right output: {error}; is it the right program?"
        ) from None
    try:
        message, output = _open(raw)
        if message is None:
            return task.read(output)
    except ValueError as error:
        raise Permanent(
            f"{end.program} {task.stage} wrote an output that is not of the expected shape, "
            f"{bounded(raw.decode(errors='replace'), SHOWN)!r} in {folder.output}: is it the right program, and of "
            f"the right version? {bounded(str(error), SHOWN)}"
        ) from None
    if space.is_about_space(message):
        raise space.full(f"{task.stage} failed, a disk is full: {bounded(message)}")
    raise Temporary(f"{task.stage} failed: {bounded(message)}")


def found_answer(folder: JobFolder, task: StageTask[T]) -> T | None:
    """Return the answer in the job's output, or None where there is no output, or a failure in it."""
    try:
        message, output = _open(foreign.read(folder.output, LINE_LIMIT))
        return task.read(output) if message is None else None
    except (FileNotFoundError, ValueError):
        return None


def cannot_start(program: str, error: OSError) -> LeveledFailure:
    """Return the failure for a program that the system refused to start."""
    why = f"cannot start the processor {program}: {error.strerror or error}"
    if error.errno in {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR, errno.EPERM}:
        return Permanent(f"{why}; correct its path in the configuration, or make it executable, then resume")
    return Temporary(f"{why}; the machine lacks processes, memory or open files")


def _open(raw: bytes) -> tuple[str | None, object]:
    """Return the error message and the output. Raises ValueError for anything but the contract's envelope."""
    envelope = from_json(raw)
    if not isinstance(envelope, dict) or "err_msg" not in envelope:
        msg = "not an object with err_msg and output"
        raise ValueError(msg)
    message = envelope["err_msg"]
    if message is not None and not isinstance(message, str):
        msg = "err_msg is neither null nor a text"
        raise ValueError(msg)
    return message, envelope.get("output")


def _no_output(folder: JobFolder, stage: str, end: End) -> SealingFailure:
    said = folder.log_tail()
    why = f"{stage} by {end.program} {how_ended(end)} and left no output"
    text = f"{why}; its last words ({folder.log}): {said}" if said else f"{why} and no word in {folder.log}"
    if end.beyond is None and end.status in {USAGE, NOT_RUNNABLE, NOT_FOUND}:
        return Permanent(f"{text}; the configured program does not do this stage: correct the configuration")
    # Beside the contract's own status: a program dies in many ways of a log or a mapped file that cannot be written.
    if end.status == UNWRITTEN or (end.beyond is None and space.is_full(folder.path)):
        return space.full(f"{text}; the disk of {folder.path} is full")
    if end.beyond is None and end.status == 0:
        return Permanent(f"{text}; it does not keep the contract of a processor")
    return Temporary(text)


def how_ended(end: End) -> str:
    """Return what became of a process, as what follows its name."""
    if end.beyond is not None:
        return f"was stopped after its time limit of {end.beyond:g} s"
    if end.status is None:
        return "ended (how, only the worker that started it knows; perhaps it was killed for memory)"
    if end.status == -signal.SIGKILL:
        return "was killed by SIGKILL, perhaps for memory,"
    if end.status < 0:
        return f"was ended by signal {-end.status} ({signal.strsignal(-end.status)})"
    return f"exited with {end.status}"
