"""Metrics of Temporal's SDK, and what workflows count by its meter.

The SDK's own exporter keeps and writes them, in Rust beside the work: taking each update into Python was a hundredth of
what a sector costs a worker. It wants a port of its own, which is nobody's but ours: a machine is one target.
"""

from __future__ import annotations

import http.client
import logging
from collections.abc import Mapping, Sequence

from temporalio.runtime import PrometheusConfig, Runtime

from sealing.metrics.definitions import BY_WORKFLOWS, HOUR, MINUTE
from workers.connection import StartError
from workers.devserver import LOOPBACK, pick_port
from workers.observability import telemetry

log = logging.getLogger(__name__)

OTHERS = 10
"""How many other ports are tried, where somebody else takes one in that moment."""
ANSWERED_WITHIN = 5.0
SDK_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, MINUTE, 5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR)
"""Seconds from a call to an activity that computes PC1; few, for there are some seventy such histograms to scrape."""
BUCKETS: Mapping[str, Sequence[float]] = {
    "latency": SDK_BUCKETS,
    **{metric.name: metric.buckets for metric in BY_WORKFLOWS if metric.buckets},
}
"""Limits of histograms by a part of their names; all of the SDK's own are latencies."""


class SdkMetrics:
    """One runtime whose clients and workers are measured. Safe to be asked from any thread."""

    def __init__(self) -> None:
        """Start the exporter. Raises StartError where no port is to be had."""
        self._port, self.runtime = _started()

    def text(self) -> bytes:
        """Return the metrics as they are now, as Prometheus reads them; nothing, and a line in the log, if it fails."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=ANSWERED_WITHIN)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            log.warning("the metrics of Temporal's SDK are not told: its exporter does not answer: %r", error)
            return b""
        finally:
            connection.close()


def _started(others: int = OTHERS) -> tuple[int, Runtime]:
    port = pick_port(None)
    try:
        return port, Runtime(telemetry=telemetry(_exporter(port)))
    except ValueError as error:
        if not others:
            raise StartError(f"[metrics]: no port on {LOOPBACK} for the SDK's own exporter: {error}") from error
    return _started(others - 1)


def _exporter(port: int) -> PrometheusConfig:
    return PrometheusConfig(
        f"{LOOPBACK}:{port}",
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=BUCKETS,
    )
