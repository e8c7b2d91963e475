"""A processor that others wrote: one process that is given many tasks by lines and answers them in any order.

A thread starts the process and follows it to its end, another writes to it, so that a long line, or a process that
does not read, holds nobody up. However the process ends, whatever was in flight is told so, and nothing of it is left.

no ready line, a broken answer, an answer to no task, a line too long, a death    Temporary for all that is in flight
the ready line of another stage; not startable; exit status 0, 2, 126, 127 first  Permanent
ended for another task's sake, or with the worker                                 Outage: no failure of the task
a second answer to a task, a line that is no answer                               logged, and ignored
"""

from __future__ import annotations

import logging
import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

from sealing.failures import LeveledFailure, Outage, Permanent, SealingFailure, Temporary, Wait
from sealing.processors import outcome, piped, processes
from sealing.processors.flight import Flight, Loss, depart, settled_future
from sealing.processors.folder import GRACE, PATIENCE, JobFolder, Record, ended_for
from sealing.processors.lines import BrokenLineError, LineReader, read_answer, ready_line, shown
from sealing.processors.outcome import End, how_ended
from sealing.processors.processor import Processor
from sealing.stores import space

log = logging.getLogger(__name__)

CHUNK = 1 << 16
"""Bytes that are read at a time."""
TICK = 0.1
"""Seconds between two looks at the clock while it is not ready."""
LOOK_AT_LOG = 60.0
"""Seconds between two looks at the size of its log while it is at nothing."""
_READY = re.compile(r"(\w+) processor ready")


@dataclass(frozen=True)
class Breach:
    """What a processor did that it may not."""

    level: type[LeveledFailure]
    what: str


class StoppedError(Exception):
    """The process has just been ended, perhaps to make way for this very task: there has to be another one."""


class Child:
    """One process of a processor; ``ready`` gives None once it is, or how it failed to be."""

    def __init__(self, processor: Processor, stage: str, files: JobFolder) -> None:
        """Start it. ``files`` is its folder, with lock and log."""
        self.ready = settled_future()
        self.answered = 0
        self.over_at: float | None = None
        self.stopped = False
        """It was ended by us."""
        self._processor, self._stage, self._files = processor, stage, files
        self._loss: Loss | None = None
        self._process: processes.Process | None = None
        self._flights: dict[int, Flight] = {}
        self._given = 0
        self._chatter = 0
        self._breach: Breach | None = None
        self._closing = False
        self._alone = threading.Lock()
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._live, name=f"processor {processor.name}", daemon=True)
        self._thread.start()

    def hand(self, task: bytes, files: JobFolder, record: Record, lock: int) -> Flight:
        """Give it a job's task; ``lock`` holds the job's folder.

        Raises what became of it where it has ended, and StoppedError where that was by us.
        """
        with self._alone:
            if self._process is None or (self.stopped and not self._closing):
                raise StoppedError
            if self._loss is not None:
                raise self._loss()
            files.log.write_text(f"run by {self._where()}, whose log is {self._files.log}\n")
            noted = record.model_copy(update={"pid": self._process.pid, "began": self._process.began, "stream": True})
            held = os.dup(lock)
            try:
                files.note(noted)
            except OSError:
                os.close(held)
                raise
            self._given += 1
            flight = self._flights[self._given] = depart(Flight(files, noted, self._process, held))
            self._outbox.put(b'{"id":%d,"task":%s}\n' % (self._given, task))
        return flight

    def close(self) -> None:
        """End it: ask by the end of its input, then by signals. What is in flight is lost."""
        self._closing = True
        self._outbox.put(None)
        self._thread.join(GRACE)
        if self._thread.is_alive() and self._process is not None:
            processes.end_all(lambda: piped.family(self._files, self._process), GRACE, PATIENCE)
        self._thread.join(PATIENCE)

    def _live(self) -> None:
        loss: Loss = partial(Permanent, f"{self._stage}: {self._where()} is not followed: see the worker's log")
        try:
            popen = piped.start(self._processor, self._files)
            loss = self._lived(popen)
        except SealingFailure as failure:
            loss = partial(type(failure), str(failure))
        except OSError as error:
            full = space.no_space(self._files.path, error)
            why = outcome.cannot_start(self._processor.argv[0], error)
            text = f"{self._stage}, {self._processor.name}: {full or why}"
            loss = partial(Wait, text, full.delay) if full else partial(type(why), text)
        finally:
            self._over(loss)

    def _lived(self, popen: subprocess.Popen[bytes]) -> Loss:
        """Follow it to its end, of which nothing is left; return how it ended."""
        self._process = process = piped.identity(popen)
        writer = threading.Thread(target=self._write, args=(popen, process), name=f"to {popen.pid}", daemon=True)
        writer.start()
        try:
            self._follow(popen)
            if self._breach is None and not piped.ended_within(process, GRACE):
                self._breach = Breach(Temporary, "closed its standard output, on which it has to answer")
        finally:
            status = piped.end(popen, process, self._files, 0 if self._breach else GRACE)
            self._outbox.put(None)
            writer.join()
            piped.pipe(popen.stdout).close()
        return self._why(status)

    def _follow(self, popen: subprocess.Popen[bytes]) -> None:
        """Take its lines until it ends, or does what it may not."""
        reader, until, first = LineReader(), time.monotonic() + self._processor.stable_wait, ""
        for chunk in self._chunks(popen):
            try:
                for line in reader.feed(chunk):
                    if self.ready.done():
                        self._take(line)
                    else:
                        first = first or shown(line)
                        self._take_ready(line)
            except BrokenLineError as error:
                self._breach = Breach(Temporary, str(error))
            if not self.ready.done() and time.monotonic() >= until:
                wait = f"within its stable_wait of {self._processor.stable_wait:g} s"
                instead = f" but {first}" if first else ""
                self._breach = Breach(
                    Temporary, f"did not say {ready_line(self._stage)!r} {wait}{instead}; is it the right program?"
                )
            if self._breach is not None:
                return

    def _chunks(self, popen: subprocess.Popen[bytes]) -> Iterator[bytes]:
        """Yield what it writes until it ends or closes its output, and nothing now and then."""
        output = piped.pipe(popen.stdout).fileno()
        end = os.pidfd_open(popen.pid)
        poll = select.poll()
        poll.register(output, select.POLLIN)
        poll.register(end, select.POLLIN)
        try:
            while True:
                happened = dict(poll.poll(1000 * (LOOK_AT_LOG if self.ready.done() else TICK)))
                if output in happened:  # also when it has ended: its last words first
                    chunk = os.read(output, CHUNK)
                    if not chunk:
                        return
                    yield chunk
                elif end in happened:
                    return
                else:
                    piped.keep_log_short(self._files)
                    yield b""
        finally:
            os.close(end)

    def _take_ready(self, line: bytes) -> None:
        said = line.decode(errors="replace").strip()
        if said == ready_line(self._stage):
            self.ready.set_result(None)
        elif other := _READY.fullmatch(said):
            self._breach = Breach(
                Permanent,
                f"says that it does {other[1]}: it is configured for {self._stage}, correct its bin or args, then "
                "resume",
            )

    def _take(self, line: bytes) -> None:
        answer = read_answer(line)
        if answer is None:
            self._chatter += bool(line.strip())
            if line.strip() and self._chatter.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …
                log.warning(
                    "%s wrote a line that is no answer, %s (%d so far)", self._where(), shown(line), self._chatter
                )
            return
        with self._alone:
            flight, given = self._flights.pop(answer.id, None), self._given
        if flight is not None:
            self.answered += 1
            flight.answer(answer)
            piped.keep_log_short(self._files)
        elif 1 <= answer.id <= given:
            log.warning("%s answered task %d twice: the first answer counts", self._where(), answer.id)
        else:
            raise BrokenLineError(f"answered a task that it was not given, {shown(line)}")

    def _write(self, popen: subprocess.Popen[bytes], process: processes.Process) -> None:
        """Write to it what is handed over."""
        with piped.pipe(popen.stdin) as pipe:
            while (line := self._outbox.get()) is not None:
                rest = memoryview(line)
                try:
                    while rest:
                        rest = rest[os.write(pipe.fileno(), rest) :]
                except OSError as error:
                    if not piped.ended_within(process, GRACE):
                        self._breach = Breach(Temporary, f"takes no tasks any more ({error.strerror})")
                        popen.kill()
                    return

    def _why(self, status: int | None) -> Loss:
        """Return what those are told who wait for it."""
        breach = self._breach
        if breach is None:
            unknown = not self.ready.done() and status in {0, outcome.USAGE, outcome.NOT_RUNNABLE, outcome.NOT_FOUND}
            what = how_ended(End(self._processor.argv[0], status)).rstrip(",")
            breach = Breach(Temporary, f"{what}, with {len(self._flights)} of its tasks in flight")
            if not self.ready.done():
                breach = Breach(Temporary, f"{what} before it said {ready_line(self._stage)!r}")
            if unknown:
                remedy = "is it a processor, and of this stage? correct its bin or args, then resume"
                breach = Breach(Permanent, f"{breach.what}; {remedy}")
        said = self._files.log_tail()
        words = f"its last words ({self._files.log}): {said}" if said else f"and no word in {self._files.log}"
        return partial(breach.level, f"{self._stage}: {self._where()} {breach.what}; {words}")

    def _over(self, loss: Loss) -> None:
        """Tell everybody that it has ended."""
        sakes = ended_for.pop(self._process, set()) if self._process else set()
        self.stopped = self._closing or bool(sakes)
        if self._closing:
            loss = partial(Outage, f"{self._stage}: {self._where()} ends with this worker; {AGAIN}")
        others = ", ".join(sorted(str(path) for path in sakes))
        of_others = partial(Outage, f"{self._stage}: {self._where()} had to be ended to stop {others}; {AGAIN}")
        of_itself = partial(Temporary, f"{self._stage} was stopped, and {self._where()} with it")
        with self._alone:
            self._loss, self.over_at = loss, time.monotonic()  # from now on there may be another one
            flights, self._flights = self._flights, {}
        if not self.stopped:
            log.warning("%s", loss())
        for flight in flights.values():
            flight.lose((of_itself if flight.files.path in sakes else of_others) if sakes else loss)
        if not self.ready.done():
            self.ready.set_result(of_others if sakes else loss)

    def _where(self) -> str:
        pid = f", pid {self._process.pid}" if self._process else ""
        return f"the processor {self._processor.name} ({self._processor.argv[0]}{pid})"


AGAIN = "the task is run again, and this uses up no retry"
