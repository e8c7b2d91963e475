"""Metrics of Temporal's SDK, and what workflows count by its meter, out of the SDK's buffer.

Not by the exporter of its own, which needs a port of its own: a machine is one target.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from temporalio.common import MetricAttributes
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BufferedMetric,
    BufferedMetricUpdate,
    MetricBuffer,
    MetricBufferDurationFormat,
    Runtime,
)

from sealing.metrics.definitions import BY_WORKFLOWS, FLEET, HOUR, MINUTE, Definition
from sealing.metrics.standing import bucket
from workers.observability import telemetry

log = logging.getLogger(__name__)

BUFFERED = 50_000
"""Updates that the buffer takes: of some fifty sectors, from their beginnings to their ends."""
EMPTIED_EVERY = 5.0
REMEMBERED = 1000
SDK_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, MINUTE, 5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR)
"""Seconds from a call to an activity that computes PC1; few, for there are some seventy such histograms to scrape."""
OURS: Mapping[str, Definition] = {each.name: each for each in BY_WORKFLOWS}
QUEUE = "task_queue"
"""How the SDK labels what a workflow counts with the queue that the workflow is served from."""
UNITS = {"s": "_seconds", "ms": "_milliseconds"}

Labels = tuple[tuple[str, str], ...]


@dataclass
class _Histogram:
    """Counts of a histogram, the last beyond all of its limits."""

    limits: tuple[float, ...]
    counts: list[int] = field(init=False)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.limits) + 1)

    def take(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.limits, value)] += 1
        self.sum += value

    def show(self, metric: Metric, labels: dict[str, str]) -> None:
        """Add the samples."""
        totals = list(accumulate(self.counts))
        for limit, total in zip((*self.limits, float("inf")), totals, strict=True):
            metric.add_sample(f"{metric.name}_bucket", {**labels, "le": bucket(limit)}, total)
        metric.add_sample(f"{metric.name}_sum", labels, self.sum)
        metric.add_sample(f"{metric.name}_count", labels, totals[-1])


@dataclass
class _Family:
    """One metric and its values by labels."""

    # A whole sector is some 730 updates, of which most have one of a few sets of labels: this is done with care.

    name: str
    kind: str
    text: str
    kept: tuple[str, ...] | None = None
    """The labels that are ours; None: all."""
    buckets: tuple[float, ...] = SDK_BUCKETS
    values: dict[Labels, float] = field(default_factory=dict)
    histograms: dict[Labels, _Histogram] = field(default_factory=dict)
    _known: dict[int, tuple[MetricAttributes, Labels]] = field(default_factory=dict)

    def take(self, update: BufferedMetricUpdate) -> None:
        """Count an update."""
        labels = self._named(update.attributes)
        if self.kind == "counter":
            self.values[labels] = self.values.get(labels, 0) + update.value
        elif self.kind == "gauge":
            self.values[labels] = update.value
        else:
            histogram = self.histograms.get(labels)
            if histogram is None:
                histogram = self.histograms[labels] = _Histogram(self.buckets)
            histogram.take(update.value)

    def _named(self, given: MetricAttributes) -> Labels:
        """Return the labels of a set of attributes, which the SDK gives again as the same object."""
        known = self._known.get(id(given))
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()  # each workflow has sets of its own
            labels = tuple(sorted(_labels(given) if self.kept is None else _ours(given, self.kept)))
            known = self._known[id(given)] = given, labels  # its id is its own for as long as it is kept
        return known[1]

    def shown(self) -> Metric:
        """Return the family for Prometheus."""
        metric = Metric(self.name, self.text, self.kind)
        suffix = "_total" if self.kind == "counter" else ""
        for labels, value in self.values.items():
            metric.add_sample(self.name + suffix, dict(labels), value)
        for labels, histogram in self.histograms.items():
            histogram.show(metric, dict(labels))
        return metric


def _labels(given: MetricAttributes) -> Iterator[tuple[str, str]]:
    return ((name, str(value)) for name, value in given.items())


def _ours(given: MetricAttributes, kept: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return the labels that the table names; the queue of a workflow is its fleet's."""
    named = {QUEUE: FLEET}
    return ((named.get(name, name), value) for name, value in _labels(given) if named.get(name, name) in kept)


class SdkMetrics(Collector):
    """What has come out of the buffer so far. Safe to be asked from any thread."""

    def __init__(self) -> None:
        """Make the runtime whose clients and workers are measured."""
        self._buffer = MetricBuffer(BUFFERED, MetricBufferDurationFormat.SECONDS)
        self.runtime = Runtime(telemetry=telemetry(self._buffer))
        self._lock = threading.Lock()
        self._ran_over = False
        self._families = {
            name: _Family(name, ours.kind.value, ours.text, ours.labels, ours.buckets) for name, ours in OURS.items()
        }

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        self.empty()
        with self._lock:
            shown = [family.shown() for family in self._families.values()]
        yield from shown

    def empty(self) -> None:
        """Take what is in the buffer."""
        with self._lock:
            for update in self._updates():
                self._family(update.metric).take(update)

    def _updates(self) -> Sequence[BufferedMetricUpdate]:
        """Return what is in the buffer; nothing where it ran over, of which the SDK knows no more than to panic."""
        try:
            return self._buffer.retrieve_updates()
        except BaseException as panic:
            if type(panic).__name__ != "PanicException":  # a class of the SDK's that is nowhere to be imported from
                raise
            if not self._ran_over:
                log.exception("the SDK's metrics ran over, and some counts are lost")
            self._ran_over = True
            return ()

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Keep the buffer from running over while nobody asks, whatever the event loop is at."""
        ended = threading.Event()

        def empty() -> None:
            while not ended.wait(EMPTIED_EVERY):
                self.empty()

        thread = threading.Thread(target=empty, name="metrics of the SDK", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _family(self, metric: BufferedMetric) -> _Family:
        found = self._families.get(metric.name)
        if found is None:
            kinds = {BUFFERED_METRIC_KIND_COUNTER: "counter", BUFFERED_METRIC_KIND_GAUGE: "gauge"}
            name = metric.name.removesuffix("_total") + UNITS.get(metric.unit or "", "")
            found = _Family(name, kinds.get(metric.kind, "histogram"), metric.description or "")
            self._families[metric.name] = found
        return found
