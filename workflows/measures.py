"""What a sector's workflow counts, by the SDK's own meter, which does not count what is replayed."""

from __future__ import annotations

from temporalio import workflow

from sealing.failures import Level
from sealing.flow.table import Flow, Place
from sealing.metrics import definitions
from sealing.metrics.definitions import EVENT, FLOW, LEVEL, STATE, STEP, Definition
from sealing.sector import Stay


def begun(flow: Flow) -> None:
    """Count that a sector was given out, by the event that its thread has seen."""
    (event,) = flow.rows[flow.start].edges
    _count(definitions.TRANSITIONS, {FLOW: flow.name, EVENT: event.__name__})


def gone_on(flow: Flow, stay: Stay, event: str) -> None:
    """Count that a sector has left a state; ``event`` is what led on."""
    _count(definitions.TRANSITIONS, {FLOW: flow.name, EVENT: event})
    _record(definitions.STATE_SECONDS, stay.seconds, {FLOW: flow.name, STATE: stay.state})
    step = flow.rows[stay.state]
    if step.where is Place.Chain:
        _record(definitions.CHAIN_WAIT, stay.seconds, {STEP: step.activity})


def failed(flow: Flow, step: str, level: Level) -> None:
    """Count that a step has failed."""
    _count(definitions.FAILURES, {FLOW: flow.name, STEP: step, LEVEL: level.value})


def tried_again(flow: Flow, step: str) -> None:
    """Count that a failed step will be run again."""
    _count(definitions.RETRIES, {FLOW: flow.name, STEP: step})


def _count(metric: Definition, labels: dict[str, str]) -> None:
    workflow.metric_meter().create_counter(metric.name, metric.text).add(1, labels)


def _record(metric: Definition, seconds: float, labels: dict[str, str]) -> None:
    workflow.metric_meter().create_histogram_float(metric.name, metric.text, "s").record(seconds, labels)
