"""The streams of this worker: one process for each configured processor, started when it is first needed.

Their folder is ``<cache>/processors/<worker>``, a folder for each processor, in which ``log`` is what it said on its
standard error and ``log.before`` what it said before that. A process that a killed worker has left is ended there.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sealing.failures import Outage, Permanent, Temporary
from sealing.processors import locks
from sealing.processors.flight import Flight
from sealing.processors.folder import JobFolder, Record, job_folders
from sealing.processors.processor import Processor
from sealing.processors.stream import AGAIN, Child, StoppedError
from sealing.stores import names

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before one that ended without an answer is started again; each time twice as long."""

Key = tuple[object, ...]


class Stream:
    """A processor and its process, which is started again when it has ended. For one event loop."""

    def __init__(self, processor: Processor, stage: str, files: JobFolder) -> None:
        """Start nothing yet."""
        self._processor, self._stage, self._files = processor, stage, files
        self._child: Child | None = None
        self._vain = 0
        """Ends in a row without an answer."""
        self._closed = False

    async def ready(self) -> None:
        """Have a process that takes tasks. Raises what kept it from being ready."""
        while (pause := self._started()) > 0:  # noqa: ASYNC110 - it is the clock that is waited for
            await asyncio.sleep(pause)
        child = self._child
        if child is not None and (loss := await asyncio.shield(asyncio.wrap_future(child.ready))):
            raise loss()

    def hand(self, task: bytes, files: JobFolder, record: Record, lock: int) -> Flight:
        """Give it a task. Called in a thread, after ``ready``. Raises what ``Child.hand`` does."""
        if self._child is None:
            raise StoppedError
        return self._child.hand(task, files, record, lock)

    async def close(self) -> None:
        """End it, for good."""
        self._closed = True
        if self._child is not None:
            await asyncio.to_thread(self._child.close)

    def _started(self) -> float:
        """Start a process if there is none and it is time; else return the seconds until then."""
        if self._closed:
            raise Outage(f"{self._stage}: the worker ends, and starts no processor any more; {AGAIN}")
        before = self._child
        if before is not None:
            if before.over_at is None:
                return 0
            if not self._processor.auto_restart and not before.stopped:
                raise Permanent(
                    f"{self._stage}: the processor {self._processor.name} has ended, and its auto_restart is false: "
                    f"see {self._files.log}, restart the worker or set auto_restart = true, then resume"
                )
            vain = 0 if before.answered or before.stopped else self._vain + 1
            pause = min(FIRST_PAUSE * 2 ** (vain - 1), LONGEST_PAUSE) if vain else 0
            if (left := before.over_at + pause - time.monotonic()) > 0:
                return left
            self._vain = vain
        self._child = Child(self._processor, self._stage, self._files)
        return 0


class Streams:
    """All streams of a worker."""

    def __init__(self, folder: Path) -> None:
        """Keep their folders in ``folder``, which is made with the first of them."""
        self._folder = folder.absolute()
        self._streams: dict[Key, Stream] = {}
        self._claim: int | None = None

    def of(self, processor: Processor, stage: str) -> Stream:
        """Return the stream of a processor. Temporary if another worker process uses the folder."""
        key = (stage, processor.name, processor.argv, *sorted(processor.env.items()))
        if key not in self._streams:
            if not self._claimed():
                raise Temporary(
                    f"{stage}: another worker process uses {self._folder}: two workers of one name cannot run on one "
                    "machine; end one of them"
                )
            name = re.sub(r"[^\w.-]+", "-", processor.name).strip("-.")
            name = name if name.startswith(stage) else f"{stage}-{name}"
            folder = self._folder / names.part(name, "the processor")
            self._streams[key] = Stream(processor, stage, JobFolder(folder))
        return self._streams[key]

    def sweep(self) -> None:
        """End what a killed worker has left, if there is any: it still works on the files of sectors."""
        if self._folder.is_dir():
            self._claimed()

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(stream.close() for stream in self._streams.values()))
        if self._claim is not None:
            os.close(self._claim)

    def _claimed(self) -> bool:
        """Be the only process that uses the folder, and end what one before has left there."""
        if self._claim is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._claim = locks.hold(self._folder / "claim")
            for files in job_folders(self._folder) if self._claim is not None else ():
                files.halt()
        return self._claim is not None


_open: list[Streams] = []


@asynccontextmanager
async def streaming(folder: Path) -> AsyncIterator[None]:
    """Let jobs of streams be run inside; at the end none of their processes is left, nor from before the start."""
    streams = Streams(folder)
    await asyncio.to_thread(streams.sweep)
    _open.append(streams)
    try:
        yield
    finally:
        _open.remove(streams)
        await streams.close()


def stream_of(processor: Processor, stage: str) -> Stream:
    """Return the stream of a processor of this worker."""
    if not _open:
        msg = f"{processor.name} is a stream, and streams are not open: use streaming()"
        raise RuntimeError(msg)
    return _open[-1].of(processor, stage)
