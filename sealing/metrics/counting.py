"""What is counted where the work is done, since this process began. Module-wide, as a process has one worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from sealing.failures import Outage, SealingFailure
from sealing.metrics import definitions
from sealing.metrics.definitions import Definition

# A second series beside each, with the time of the first count, tells nothing that the start of the process does not.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library annotates all but this

REGISTRY = CollectorRegistry()
"""What is counted here; nothing of the process's own, which other exporters tell."""


def _counter(metric: Definition) -> Counter:
    return Counter(metric.name, metric.text, metric.labels, registry=REGISTRY)


def _histogram(metric: Definition) -> Histogram:
    return Histogram(metric.name, metric.text, metric.labels, registry=REGISTRY, buckets=metric.buckets)


STAGE_RUN = _histogram(definitions.STAGE_RUN)
STAGE_WAIT = _histogram(definitions.STAGE_WAIT)
JOBS = _counter(definitions.JOBS)
STORED = _counter(definitions.STORED)
MANAGER_ANSWERED = Gauge(definitions.MANAGER_ANSWERED.name, definitions.MANAGER_ANSWERED.text, registry=REGISTRY)
_RPC_SECONDS = _histogram(definitions.RPC_SECONDS)
_RPC_HELD = _counter(definitions.RPC_HELD)
_RPC_ERRORS = _counter(definitions.RPC_ERRORS)


@dataclass
class Call:
    """A call to the manager. ``is_held``: the manager held it, so how long it took says nothing of how quick it is."""

    is_held: bool = False


@contextmanager
def called(method: str) -> Iterator[Call]:
    """Count a call to the manager: how long it takes, how it fails, and that the manager has answered."""
    began = time.perf_counter()
    answered = False
    call = Call()
    try:
        yield call
        answered = True
    except SealingFailure as failure:
        answered = not isinstance(failure, Outage)
        _RPC_ERRORS.labels(method, type(failure).__name__).inc()
        raise
    finally:
        if call.is_held:
            _RPC_HELD.labels(method).inc()
        else:
            _RPC_SECONDS.labels(method).observe(time.perf_counter() - began)
        if answered:
            MANAGER_ANSWERED.set_to_current_time()
