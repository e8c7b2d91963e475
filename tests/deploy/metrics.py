"""Which metrics and labels an expression of PromQL names, and which of them there are not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sealing.metrics.definitions import DEFINITIONS, Kind

SCRAPED = frozenset({"instance", "job"})
"""Labels that Prometheus gives to all that it scrapes."""
HISTOGRAMS = {Kind.histogram, Kind.gaugehistogram}
OURS: Mapping[str, frozenset[str]] = {
    series: SCRAPED | frozenset(metric.labels) | ({"le"} if metric.kind in HISTOGRAMS else set())
    for metric in DEFINITIONS
    for series in metric.series
}
"""The labels of each of our series."""
SDK = {
    "temporal_activity_schedule_to_start_latency_seconds_bucket",
    "temporal_num_pollers",
    "temporal_request_failure_total",
    "temporal_request_latency_seconds_bucket",
    "temporal_request_total",
    "temporal_sticky_cache_size",
    "temporal_worker_task_slots_available",
    "temporal_workflow_task_execution_failed_total",
    "temporal_workflow_task_execution_latency_seconds_bucket",
    "temporal_workflow_task_execution_latency_seconds_count",
    "temporal_workflow_task_replay_latency_seconds_bucket",
    "temporal_workflow_task_schedule_to_start_latency_seconds_bucket",
}
SERVER = {
    "approximate_backlog_count",
    "memory_heapinuse",
    "persistence_error_with_type",
    "persistence_latency_bucket",
    "persistence_requests",
    "service_error_with_type",
    "service_latency_bucket",
    "service_requests",
    "task_latency_bucket",
}
"""Temporal's own, as an SDK and a server have shown them; that they are there still the tests with a server see."""
OTHERS = SDK | SERVER | {"up"}
TEMPORALS = frozenset(
    (
        *("le", "namespace", "task_queue", "taskqueue", "task_type", "workflow_type", "failure_reason", "operation"),
        *("status_code", "worker_type", "poller_type", "service_name", "error_type"),
    )
)

WORDS = frozenset(
    (
        *("by", "on", "and", "or", "unless", "offset", "group_left", "sum", "max", "min", "count", "rate", "increase"),
        *("time", "vector", "sort_desc"),
    )
)
FUNCTIONS = frozenset(["histogram_quantile", "min_over_time", "predict_linear"])
STRING, DURATION = re.compile(r'"[^"]*"'), re.compile(r"\[[^]]*\]|\boffset \S+?(?=[\s)]|$)|\$\w+")
GROUPED = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
CHOSEN = re.compile(r"(\w+)\{([^}]*)\}")
NAME = re.compile(r"\b[a-z_][a-z_0-9]*\b")
MATCHED = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)")


def problems(expression: str) -> list[str]:
    """Return what an expression asks for that is not there: unknown metrics, labels that none of its metrics has."""
    text = DURATION.sub("", STRING.sub('""', expression))
    grouped = {label.strip() for labels in GROUPED.findall(text) for label in labels.split(",") if label.strip()}
    chosen = [(name, label) for name, inside in CHOSEN.findall(text) for label in MATCHED.findall(inside)]
    asked = names(expression)
    there = frozenset().union(*(_labels(name) for name in asked))
    unknown = [f"no metric {name}" for name in sorted(asked) if not _labels(name)]
    unfit = [f"{name} has no label {label}" for name, label in chosen if label not in _labels(name)]
    return unknown + unfit + [f"no metric here has the label {label}" for label in sorted(grouped - there)]


def names(expression: str) -> set[str]:
    """Return the names of the metrics that an expression asks for."""
    text = GROUPED.sub("", DURATION.sub("", STRING.sub('""', expression)))
    return set(NAME.findall(re.sub(r"\{[^}]*\}", "", text))) - WORDS - FUNCTIONS


def _labels(name: str) -> frozenset[str]:
    return OURS.get(name) or (SCRAPED | TEMPORALS if name in OTHERS else frozenset())
