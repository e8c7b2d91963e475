"""A task that was given to a stream. Its answer goes into its job's folder, whether or not somebody waits for it.

While it is in flight this process holds the lock of the job's folder, so that the job counts as running; it ends with
this process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic_core import to_json

from sealing.failures import SealingFailure, Temporary, Wait
from sealing.processors.folder import JobFolder, Record
from sealing.processors.lines import Answer
from sealing.processors.processes import Process
from sealing.stores import durable, space

log = logging.getLogger(__name__)
Loss = Callable[[], SealingFailure]
"""Makes the failure of each who waits: an exception that was raised once is not raised again."""


def settled_future() -> Future[Loss | None]:
    """Return a future that no waiter's cancellation ends."""
    future: Future[Loss | None] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(eq=False)
class Flight:
    """A task of ``files``' job in the processor ``process``; ``over`` gives None for an answer, or how it was lost."""

    files: JobFolder
    record: Record
    process: Process
    lock: int
    began: float = field(default_factory=time.monotonic)
    over: Future[Loss | None] = field(default_factory=settled_future)

    @property
    def pid(self) -> int:
        """The processor's."""
        return self.process.pid

    @property
    def seconds(self) -> float:
        """Seconds since the task was given."""
        return time.monotonic() - self.began

    def answer(self, answer: Answer) -> None:
        """Keep the answer as the job's output: it outlives whoever waited for it."""
        try:
            durable.write(self.files.output, to_json(answer.envelope))
        except OSError as error:
            why = f"the answer of {self.record.stage} cannot be written to {self.files.output}: {error}"
            full = space.no_space(self.files.path, error)
            self._end(partial(Wait, str(full), full.delay) if full else partial(Temporary, why))
        else:
            self._end(None)

    def lose(self, loss: Loss) -> None:
        """Tell that there will be no answer."""
        self._end(loss)

    def _end(self, loss: Loss | None) -> None:
        try:
            self.files.note(self.record.model_copy(update={"pid": None, "began": None}))
        except OSError as error:
            log.warning("%s: the record cannot be written: %s", self.files.path, error)
        os.close(self.lock)
        _flights.pop(self.files.path, None)
        self.over.set_result(loss)


_flights: dict[Path, Flight] = {}
"""The tasks that are in flight, by the folders of their jobs. A job has one at most: it holds the folder's lock."""


def depart(flight: Flight) -> Flight:
    """Let a flight be found by its job's folder until it is over."""
    _flights[flight.files.path] = flight
    return flight


def in_flight(files: JobFolder) -> Flight | None:
    """Return the task of this job that is in flight."""
    return _flights.get(files.path)
