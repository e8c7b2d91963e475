"""Whether the spans of a worker are sent by OTLP, and where to: what OpenTelemetry's own variables say.

A collector that is away, slow or wrong costs spans and a warning now and then, never a step, nor the worker's start.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sealing.tracing import Tracing

if TYPE_CHECKING:
    from workers.otlp import Sender

log = logging.getLogger(__name__)

ENDPOINT, TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL, TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
PATH = "/v1/traces"
SPOKEN = "http/protobuf"


@asynccontextmanager
async def traced(worker: str) -> AsyncIterator[Tracing | None]:
    """Give where the spans of a worker go, until it ends; None where nobody has asked for traces."""
    url = _collector()
    sender = _sender(worker, url) if url else None
    if sender is None:
        yield None
        return
    try:
        yield Tracing(worker, sender.emit)
    finally:
        await asyncio.to_thread(sender.close)


def _collector() -> str | None:
    """Return the URL that spans are posted to, if one is asked for that can be right; else say what is wrong."""
    name = TRACES_ENDPOINT if os.environ.get(TRACES_ENDPOINT) else ENDPOINT
    given = os.environ.get(name, "").strip()
    if not given or _is_off():
        return None
    protocol = os.environ.get(TRACES_PROTOCOL) or os.environ.get(PROTOCOL) or SPOKEN
    if protocol.strip().lower() != SPOKEN:
        log.warning("no traces are sent: %s is asked for by %s, and only %s is there", protocol, PROTOCOL, SPOKEN)
        return None
    if why := _wrong(given):
        log.warning("no traces are sent: %s=%s %s: write it as http://127.0.0.1:4318", name, given, why)
        return None
    return given if name == TRACES_ENDPOINT else given.rstrip("/") + PATH


def _is_off() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"


def _wrong(url: str) -> str | None:
    """Return what is wrong with a collector's address, or None."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return f"is no address ({error})"
    if parts.scheme not in {"http", "https"}:
        return "does not begin with http:// or https://"
    return None if has_host else "names no host"


def _sender(worker: str, url: str) -> Sender | None:
    from workers.otlp import Sender  # noqa: PLC0415 - a second of imports, for those who want traces only

    try:
        return Sender(worker, url)
    except (ValueError, OSError) as error:
        log.warning("no traces are sent: one of the OTEL_ variables is wrong: %s", error)
        return None
