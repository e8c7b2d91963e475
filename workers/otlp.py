"""Sends spans by OTLP, beside the work and never in its way.

Spans come whole, for they are told when they have ended: no tracer of OpenTelemetry's is needed, and no state that a
whole process shares.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from urllib.parse import urlsplit, urlunsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from sealing.tracing import WORKER, Span

log = logging.getLogger(__name__)

FLUSHED_WITHIN = 2.0
"""Seconds that the end of a worker waits for its last spans to be taken."""
SENT_WITHIN = 5.0
"""Seconds for one batch with all its tries, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise."""
WARNED_EVERY = 600.0
"""Seconds between two warnings about a collector that does not take spans."""
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Sender:
    """Sends the spans of one worker to one URL, in batches, from a thread. What there is no room for is dropped."""

    def __init__(self, worker: str, url: str) -> None:
        """Start the thread. Raises ValueError or OSError for an OTEL_ variable that cannot be right."""
        # It has a warning for each try and each span: ours says the same once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        own_limit = any(os.environ.get(name) for name in TIMEOUTS)
        exporter = OTLPSpanExporter(endpoint=url, timeout=None if own_limit else SENT_WITHIN)
        self._processor = BatchSpanProcessor(_Warning(exporter, shown(url)))
        log.info("traces are sent to %s", shown(url))
        self._resource = _resource(worker)
        self._scope = InstrumentationScope("sealflow", version("sealflow"))

    def emit(self, span: Span) -> None:
        """Take a span, to be sent with the next batch. One that is none is dropped: it is not worth a step."""
        with contextlib.suppress(ValueError, OverflowError):
            self._processor.on_end(self._readable(span))

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace, span.id),
            parent=_context(span.trace, span.parent) if span.parent else None,
            resource=self._resource,
            attributes=span.attributes,
            links=[Link(_context(span.trace, other)) for other in span.links],
            kind=SpanKind.CLIENT if span.is_call else SpanKind.INTERNAL,
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=_nanoseconds(span.began),
            end_time=_nanoseconds(span.ended),
            instrumentation_scope=self._scope,
        )

    def close(self) -> None:
        """Send what is left, for a while: the last spans are not worth holding a worker's end."""
        last = threading.Thread(target=self._processor.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(FLUSHED_WITHIN)


class _Constant(Resource):
    """Has one hash: the encoder asks for it once a span, and a Resource writes itself as JSON for it each time."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource.attributes, resource.schema_url)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class _Warning(SpanExporter):
    """Says now and then that spans are not taken, and when they are again."""

    def __init__(self, exporter: OTLPSpanExporter, url: str) -> None:
        self._exporter = exporter
        self._url = url
        self._lost = 0
        self._warned_at: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._look(len(spans), taken=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Send nothing any more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # the library annotates all but this

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)

    def _look(self, count: int, *, taken: bool) -> None:
        now = time.monotonic()
        if taken:
            if self._warned_at is not None:
                log.info("traces reach %s again; %d spans were lost", self._url, self._lost)
            self._lost, self._warned_at = 0, None
            return
        self._lost += count
        if self._warned_at is None or now - self._warned_at >= WARNED_EVERY:
            self._warned_at = now
            log.warning("traces do not reach %s: is a collector there? %d spans are lost so far", self._url, self._lost)


def shown(url: str) -> str:
    """Return an address as logs may show it: without a user, a password and a query, which may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _resource(worker: str) -> Resource:
    """Return what all spans of the worker have in common. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    ours = {
        "service.name": "sealflow",
        "service.version": version("sealflow"),
        "service.instance.id": worker,
        "host.name": socket.gethostname(),
        WORKER: worker,
    }
    return _Constant(Resource.create(ours).merge(OTELResourceDetector().detect()))


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=SAMPLED)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
