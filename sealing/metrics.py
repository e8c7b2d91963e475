"""Names and labels of all metrics, and what gives their values."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sealing.processors.admission import Board

STAGE, LOCK, LACK = "stage", "lock", "lack"


class AdmissionMetrics(Collector):
    """Who may run on this machine and who waits, read from the board at each scrape."""

    def __init__(self, board: Callable[[], Board]) -> None:
        """Take what gives the board; it is called from the server's thread."""
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        board = self._board()
        used = GaugeMetricFamily(
            "sealflow_stage_slots_used", "Jobs of a stage that run on this machine.", labels=[STAGE]
        )
        total = GaugeMetricFamily("sealflow_stage_slots_total", "Jobs of a stage that may run at once.", labels=[STAGE])
        held = GaugeMetricFamily("sealflow_lock_held", "Jobs that hold a lock.", labels=[LOCK])
        holders = GaugeMetricFamily("sealflow_lock_total", "Jobs that may hold a lock at once.", labels=[LOCK])
        for stage in board.stages:
            used.add_metric([stage.stage], stage.used)
            if stage.total is not None:
                total.add_metric([stage.stage], stage.total)
        for lock in board.locks:
            held.add_metric([lock.lock], lock.used)
            if lock.total is not None:
                holders.add_metric([lock.lock], lock.total)
        yield from (used, total, held, holders, *_waiting(board))


def _waiting(board: Board) -> Iterator[Metric]:
    count = GaugeMetricFamily(
        "sealflow_stage_waiting", "Jobs that wait for their turn, by what they lack.", labels=[STAGE, LACK]
    )
    longest = GaugeMetricFamily(
        "sealflow_stage_longest_wait_seconds", "How long the job that came first has waited.", labels=[STAGE]
    )
    for (stage, lack), number in Counter((each.stage, each.lack.value) for each in board.waiting).items():
        count.add_metric([stage, lack], number)
    now = time.time()
    for stage in {each.stage for each in board.waiting}:
        first = min(each.since for each in board.waiting if each.stage == stage)
        longest.add_metric([stage], max(0.0, now - first))
    yield from (count, longest)
