"""How it stands on this machine, told to Prometheus when it asks: who may run and who waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from sealing.metrics import definitions
from sealing.metrics.definitions import Definition
from sealing.processors.admission import Board


def gauge(metric: Definition) -> GaugeMetricFamily:
    """Return a gauge without values yet."""
    return GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)


def bucket(limit: float) -> str:
    """Return a bucket's label ``le``, as the library writes it."""
    return str(floatToGoString(limit))  # type: ignore[no-untyped-call] # the library annotates all but this


class AdmissionMetrics(Collector):
    """Who may run on this machine and who waits, read from the board at each scrape."""

    def __init__(self, board: Callable[[], Board]) -> None:
        """Take what gives the board; it is called from the server's thread."""
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        board, now = self._board(), time.time()
        yield from _running(board, now)
        yield from _locks(board)
        yield from _waiting(board, now)


def _running(board: Board, now: float) -> Iterator[Metric]:
    used, total = gauge(definitions.SLOTS_USED), gauge(definitions.SLOTS_TOTAL)
    longest = gauge(definitions.LONGEST_RUN)
    for stage in board.stages:
        used.add_metric([stage.stage], stage.used)
        longest.add_metric([stage.stage], _seconds(stage.since, now))
        if stage.total is not None:
            total.add_metric([stage.stage], stage.total)
    yield from (used, total, longest)


def _locks(board: Board) -> Iterator[Metric]:
    held, total, waiting = (
        gauge(each) for each in (definitions.LOCK_HELD, definitions.LOCK_TOTAL, definitions.LOCK_WAITING)
    )
    for lock in board.locks:
        held.add_metric([lock.lock], lock.used)
        waiting.add_metric([lock.lock], sum(lock.lock in each.locks for each in board.waiting))
        if lock.total is not None:
            total.add_metric([lock.lock], lock.total)
    yield from (held, total, waiting)


def _waiting(board: Board, now: float) -> Iterator[Metric]:
    count, longest = gauge(definitions.WAITING), gauge(definitions.LONGEST_WAIT)
    for (stage, lack), number in Counter((each.stage, each.lack.value) for each in board.waiting).items():
        count.add_metric([stage, lack], number)
    for use in board.stages:
        since = [each.since for each in board.waiting if each.stage == use.stage]
        longest.add_metric([use.stage], _seconds(min(since, default=None), now))
    yield from (count, longest)


def _seconds(since: float | None, now: float) -> float:
    return 0.0 if since is None else max(0.0, now - since)
