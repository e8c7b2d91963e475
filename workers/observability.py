"""Logging of the programs: text for people, or JSON a line when SEALFLOW_LOG=json. Level by SEALFLOW_LOG_LEVEL.

What is logged during an attempt at a sector's step names the sector, the step and the sector's trace.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from functools import cache
from typing import Any

from temporalio import activity, workflow
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from sealing import tracing
from sealing.sector import sector_of

NAMES = ("sector", "trace", "step", "workflow")
"""What a record may be about, in the order in which it is told."""


class About(logging.Filter):
    """Adds to each record what it is about, as far as that is known."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the names, and ``about``, the end of a text line. Keeps every record."""
        known = _known(record)
        for name in NAMES:
            setattr(record, name, known.get(name, ""))
        words = [known.get("sector") or known.get("workflow", ""), known.get("step", "")]
        record.about = f" [{' '.join(filter(None, words))}]" if any(words) else ""
        return True


def _known(record: logging.LogRecord) -> dict[str, str]:
    """Return what is known from the running attempt, or from what the SDK's loggers add."""
    if trail := tracing.current():
        return {"sector": trail.sector, "trace": trail.trace, "step": trail.step}
    facts: dict[str, Any] = getattr(record, "temporal_workflow", None) or {}
    if not (workflow_id := str(facts.get("workflow_id", ""))):
        return {}
    return {"sector": str(sector_of(workflow_id) or ""), "workflow": workflow_id}


class JsonLines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        shown = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        shown.update({name: value for name in NAMES if (value := getattr(record, name, ""))})
        if record.exc_info:
            shown["error"] = self.formatException(record.exc_info)
        return json.dumps(shown)


def telemetry(metrics: PrometheusConfig | None = None) -> TelemetryConfig:
    """Return what the SDK's core is told: its log lines are ours to write, else they stand in ours as they come."""
    lines = LogForwardingConfig(logging.getLogger("temporalio.core"), append_target_to_name=False)
    logs = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), lines)
    return TelemetryConfig(logging=logs, metrics=metrics, attach_service_name=False)


@cache
def unmeasured() -> Runtime:
    """Return the runtime of clients that nothing measures."""
    return Runtime(telemetry=telemetry())


def start_logging(*, quiet: bool = False) -> None:
    """Log to stderr. ``quiet`` is for a program whose screen is a table: errors only."""
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("SEALFLOW_LOG") == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s%(about)s"))
    handler.addFilter(About())
    # Else both append a whole dictionary to each message.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    level = logging.ERROR if quiet else os.environ.get("SEALFLOW_LOG_LEVEL", "INFO").upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line a request is noise: failures of calls are raised and shown where they matter.
    logging.getLogger("httpx").setLevel(logging.WARNING)
