"""Logging of the programs: text for people, or JSON a line when SEALFLOW_LOG=json. Level by SEALFLOW_LOG_LEVEL."""

from __future__ import annotations

import json
import logging
import os
import sys
import time


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
        if record.exc_info:
            shown["error"] = self.formatException(record.exc_info)
        return json.dumps(shown)


def start_logging(*, quiet: bool = False) -> None:
    """Log to stderr. ``quiet`` is for a program whose screen is a table: errors only."""
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("SEALFLOW_LOG") == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = logging.ERROR if quiet else os.environ.get("SEALFLOW_LOG_LEVEL", "INFO").upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line a request is noise: failures of calls are raised and shown where they matter.
    logging.getLogger("httpx").setLevel(logging.WARNING)
