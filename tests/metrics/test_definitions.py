"""The table of metrics, and the page that is written from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sealing.metrics import counting
from sealing.metrics.definitions import DEFINITIONS, LABELS, Definition, Kind
from sealing.metrics.page import page

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_written_from_the_definitions() -> None:
    """docs/metrics.md is generated: `make docs` writes it again."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("metric", DEFINITIONS, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_advises(metric: Definition) -> None:
    """Ours by the prefix, base units at the end; every label is explained, and only a histogram has buckets."""
    assert re.fullmatch(r"sealflow_[a-z_]+[a-z]", metric.name)
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket")) or metric.kind is Kind.gauge
    assert metric.text[0].isalnum()
    assert metric.text.endswith(".")
    assert set(metric.labels) <= LABELS.keys()
    is_histogram = metric.kind in {Kind.histogram, Kind.gaugehistogram}
    assert bool(metric.buckets) is is_histogram
    assert sorted(metric.buckets) == list(metric.buckets)
    assert not is_histogram or metric.name.endswith("_seconds")


def test_no_name_is_there_twice() -> None:
    """Of two with one name Prometheus would keep one."""
    series = [name for metric in DEFINITIONS for name in metric.series]
    assert len(series) == len(set(series))


def test_stages_are_seen_from_ten_milliseconds_to_twelve_hours() -> None:
    """From a 2 KiB sector to PC1 of a large one."""
    (run,) = (metric for metric in DEFINITIONS if metric.name == "sealflow_stage_run_seconds")
    assert (run.buckets[0], run.buckets[-1]) == (0.01, 12 * 3600)


def test_what_is_counted_is_defined() -> None:
    """Each counter of the module is a row of the table."""
    assert isinstance(counting.REGISTRY, CollectorRegistry)
    counted = {family.name for family in counting.REGISTRY.collect()}
    assert counted <= {metric.name for metric in DEFINITIONS}
