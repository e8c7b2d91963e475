"""A collector that keeps what it gets by OTLP, and one that never answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealing import tracing
from tests.world.proxy import served


@dataclass(frozen=True)
class Got:
    """A span as it came; ``of`` is what its resource says."""

    name: str
    trace: str
    id: str
    parent: str
    seconds: float
    said: dict[str, str | int]
    links: tuple[str, ...]
    is_error: bool
    is_call: bool
    of: dict[str, str | int]

    @property
    def sector(self) -> str:
        """The sector that it names."""
        return str(self.said[tracing.SECTOR])


@dataclass
class Collector:
    """All spans so far."""

    address: str = ""
    spans: list[Got] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        """Take a batch."""
        batch = ExportTraceServiceRequest.FromString(await request.body())
        for each in batch.resource_spans:
            of = _said(each.resource.attributes)
            self.spans += [_got(span, of) for scope in each.scope_spans for span in scope.spans]
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type="application/x-protobuf")

    def find(self, name: str, **said: str | int) -> list[Got]:
        """Return the spans of a name whose attributes ``sealflow.…`` are so."""
        wanted = {f"sealflow.{key}": value for key, value in said.items()}
        return [span for span in self.spans if span.name == name and wanted.items() <= span.said.items()]

    def of(self, sector: str, flow: str) -> dict[str, Got]:
        """Return the spans of a sector's task by their ids. Each id must have come once."""
        traces = {span.trace for span in self.spans if span.said.get(tracing.FLOW) == flow and span.sector == sector}
        (trace,) = traces
        found = [span for span in self.spans if span.trace == trace]
        by_id = {span.id: span for span in found}
        assert len(by_id) == len(found)
        return by_id


def _said(pairs: Iterable[KeyValue]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = pair.value.int_value if kind == "int_value" else pair.value.string_value
    return found


def _got(span: trace_pb2.Span, of: dict[str, str | int]) -> Got:
    return Got(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        said=_said(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        is_call=span.kind == trace_pb2.Span.SPAN_KIND_CLIENT,
        of=of,
    )


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector."""
    collector = Collector()
    async with served(Route("/v1/traces", collector.take, methods=["POST"])) as collector.address:
        yield collector


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Run what takes connections and never answers; gives its URL."""
    over = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        over.set()
        server.close()
        await server.wait_closed()
