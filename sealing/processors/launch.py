"""The parts of a job's life that are done in a thread, alone for a sector: its start, and the taking of its output."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sealing.background import Check
from sealing.failures import Permanent, Temporary
from sealing.processors import locks, outcome, processes
from sealing.processors.children import Child, spawn
from sealing.processors.flight import Flight, in_flight
from sealing.processors.folder import JobFolder, Record, job_folders
from sealing.processors.lines import request
from sealing.processors.outcome import End
from sealing.processors.processor import Protocol
from sealing.processors.spec import How, Job, JobResult, Start
from sealing.processors.streams import stream_of
from sealing.stores import durable, space
from sealing.values import FileRef

T = TypeVar("T")


@dataclass(frozen=True)
class Begun:
    """A job that runs, as a child or in flight; without both, one that was found done."""

    how: How
    child: Child | None = None
    flight: Flight | None = None


def begin(check: Check, job: Job[T]) -> Begun:
    """Start the job unless it runs or is done. Wait where the disk is full."""
    files, mark = job.files, job.fingerprint()
    with _waiting_for_space(files), locks.alone(files.starting, check):
        durable.make_folder(files.path)
        _refuse_older(job)
        if there := _found(job):
            return there
        record = files.record()
        same = record is not None and record.fingerprint == mark
        _make_way(files, keep=same)
        rebooted = same and record is not None and record.boot != processes.boot_id()
        # An output that is right and was not taken above may have lost what it speaks of, with the machine.
        again = same and (not files.output.exists() or outcome.found_answer(files, job.task) is not None)
        return _start(job, mark, Start(again, check, rebooted), How.restarted if same else How.started)


@contextlib.contextmanager
def _waiting_for_space(files: JobFolder) -> Iterator[None]:
    """Make a wait of a full disk."""
    try:
        yield
    except OSError as error:
        raise space.no_space(files.path, error) or error from error


def seen(check: Check, job: Job[T]) -> How | None:
    """Return whether the job runs or is done, so that nothing needs to be ready for its start, or None."""
    with _waiting_for_space(job.files), locks.alone(job.files.starting, check):
        found = _found(job)
        return None if found is None else found.how


def _found(job: Job[T]) -> Begun | None:
    """Return the job if it runs or is done."""
    files, record = job.files, job.files.record()
    if record is None or record.fingerprint != job.fingerprint():
        return None
    if files.is_running():
        if flight := in_flight(files):
            return Begun(How.attached, flight=flight)
        if leader := files.leader():
            child = Child.found(leader)
            return Begun(How.attached if child.popen else How.adopted, child=child)
    # What was written before a power cut, and not synced, is not what it was.
    whole = record.settled or record.boot == processes.boot_id()
    if whole and outcome.found_answer(files, job.task) is not None:
        return Begun(How.taken)
    return None


def _refuse_older(job: Job[T]) -> None:
    """Raise Temporary for an attempt that comes too late: the sector was taken back since, and a newer job is at it."""
    for files in job_folders(job.folder.parent):
        record = files.record()
        if record and record.round > job.round:
            raise Temporary(
                f"{record.stage} of round {record.round} was started in {files.path}, this is an attempt of the older "
                f"round {job.round}: it comes too late; if nothing newer runs, resume the task to an earlier state"
            )


def _make_way(files: JobFolder, *, keep: bool) -> None:
    """End the sector's other jobs, and what is left of this one; wipe the folder if it is of other inputs."""
    for other in job_folders(files.path.parent):
        if other == files or other.is_running():
            other.halt()
    if not keep:
        files.wipe()


def _start(job: Job[T], mark: str, start: Start, how: How) -> Begun:
    files = job.files
    for ref in job.task.inputs():
        _check_input(ref)
    _check_basis(job)
    job.prepare(start)
    files.output.unlink(missing_ok=True)
    durable.write(files.task, json.dumps(job.task.wire()).encode())
    files.keep_log()
    lock = locks.hold(files.lock)
    if lock is None:
        raise Temporary(f"{files.lock} is held by a process that is not known, so {job.task.stage} cannot start")
    try:
        record = Record(
            stage=job.task.stage,
            round=job.round,
            fingerprint=mark,
            boot=processes.boot_id(),
            basis=job.basis,
            processor=job.processor.name,
            started=time.time(),
        )
        files.note(record)
        start.check()
        if job.processor.protocol is Protocol.stream:
            stream = stream_of(job.processor, job.task.stage)
            return Begun(how, flight=stream.hand(request(job.task), files, record, lock))
        child = _spawn(job, lock)
        files.note(record.model_copy(update={"pid": child.process.pid, "began": child.process.began}))
    finally:
        os.close(lock)
    return Begun(how, child=child)


def _spawn(job: Job[T], lock: int) -> Child:
    try:
        return spawn(job.command(), job.files, lock, job.processor)
    except OSError as error:
        raise space.no_space(job.folder, error) or outcome.cannot_start(job.processor.argv[0], error) from error


def take(check: Check, job: Job[T], begun: Begun, end: End) -> JobResult[T]:
    """Return the result of a job that has ended; what it left is settled before anybody sees it."""
    files = job.files
    if not files.path.is_dir():  # a lock would make a folder where a disk was
        raise Temporary(f"{files.path} has gone while {job.task.stage} ran")
    with locks.alone(files.starting, check):
        record = files.record()
        if record is None or record.fingerprint != job.fingerprint():
            raise Temporary(f"{job.task.stage} of round {job.round} in {files.path} gave way to another start")
        if begun.child and begun.child.process.pid == record.pid:
            files.halt(grace=0)  # what the job left running: it works on files that the next stage needs
        answer = outcome.read_answer(files, job.task, end)
        if not record.settled:
            _settle(check, job, record)
        return JobResult(
            output_ref=file_ref(files.output),
            answer=answer,
            run_seconds=max(0.0, files.output.stat().st_mtime - record.started),
            how=begun.how,
            is_first=not record.settled,
            began=record.started,
            processor=record.processor,
        )


def _settle(check: Check, job: Job[T], record: Record) -> None:
    files = job.files
    with _waiting_for_space(files):
        job.settle(check)
        durable.sync(files.output)
        durable.sync(files.path)
        files.note(record.model_copy(update={"settled": True}))


def file_ref(path: Path) -> FileRef:
    """Return the reference to a file as it is now."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRef(path=str(path), size=path.stat().st_size, sha256=digest)


def _check_input(ref: FileRef) -> None:
    try:
        found = file_ref(Path(ref.path))
    except FileNotFoundError:
        found = None
    if found != ref:
        what = "is gone" if found is None else "is not what that stage wrote"
        raise Permanent(f"the output of an earlier stage, {ref.path}, {what}: resume to the state before that stage")


def _check_basis(job: Job[T]) -> None:
    """Refuse to work on files that were made for another ticket: after a reset of the workflow they may be here."""
    before = job.task.follows
    if before is None:
        return
    record = JobFolder.at(job.folder.with_name(before)).record()
    if record is not None and record.basis != job.basis:
        raise Permanent(
            f"the files that {before} left here were made for another ticket than this task's: "
            f"{job.task.stage} would spoil the sector; resume to the state before {before}"
        )
