"""What a sector's workflow counts, by the SDK's own meter, which does not count what is replayed."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import MetricCounter, MetricHistogramFloat

from sealing.failures import Level
from sealing.flow.table import Flow, Place
from sealing.metrics import definitions
from sealing.metrics.definitions import EVENT, FLEET, FLOW, LEVEL, STATE, STEP, Definition
from sealing.sector import Stay


class Measures:
    """What one task counts. An instrument is made once: each costs as much as a count."""

    def __init__(self, flow: Flow) -> None:
        """Take the flow that names the counts."""
        self._flow = flow
        self._meter = workflow.metric_meter().with_additional_attributes({FLEET: workflow.info().task_queue})
        self._counters: dict[str, MetricCounter] = {}
        self._histograms: dict[str, MetricHistogramFloat] = {}

    def begun(self) -> None:
        """Count that a sector was given out, by the event that its thread has seen."""
        (event,) = self._flow.rows[self._flow.start].edges
        self._count(definitions.TRANSITIONS, {EVENT: event.__name__})

    def gone_on(self, stay: Stay, event: str) -> None:
        """Count that a sector has left a state; ``event`` is what led on."""
        self._count(definitions.TRANSITIONS, {EVENT: event})
        self._record(definitions.STATE_SECONDS, stay.seconds, {FLOW: self._flow.name, STATE: stay.state})
        step = self._flow.rows[stay.state]
        if step.where is Place.Chain:
            self._record(definitions.CHAIN_WAIT, stay.seconds, {STEP: step.activity})

    def failed(self, step: str, level: Level) -> None:
        """Count that a step has failed."""
        self._count(definitions.FAILURES, {STEP: step, LEVEL: level.value})

    def tried_again(self, step: str) -> None:
        """Count that a failed step will be run again."""
        self._count(definitions.RETRIES, {STEP: step})

    def _count(self, metric: Definition, labels: dict[str, str]) -> None:
        counter = self._counters.get(metric.name)
        if counter is None:
            counter = self._meter.create_counter(metric.name, metric.text)
            self._counters[metric.name] = counter
        counter.add(1, {FLOW: self._flow.name, **labels})

    def _record(self, metric: Definition, seconds: float, labels: dict[str, str]) -> None:
        histogram = self._histograms.get(metric.name)
        if histogram is None:
            histogram = self._meter.create_histogram_float(metric.name, metric.text)
            self._histograms[metric.name] = histogram
        histogram.record(seconds, labels)
