"""Where Prometheus finds the metrics of this machine."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from temporalio.client import Client

from sealing.addresses import host_port
from sealing.config import Config
from sealing.metrics import counting, definitions
from sealing.metrics.standing import AdmissionMetrics, gauge
from sealing.processors.admission import Admission
from sealing.stores.mounts import Mounts
from workers.beside import beside
from workers.connection import StartError
from workers.measuring.fleet import FleetMetrics
from workers.measuring.folders import FolderMetrics
from workers.measuring.sdk import SdkMetrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)


ASKED_WITHIN = 30.0
"""Seconds that a connection may be open without having asked, or without taking what it asked for."""


class _Impatient(WSGIRequestHandler):
    """Ends with a caller that hangs, whose thread and file it would keep."""

    timeout = ASKED_WITHIN

    def handle(self) -> None:
        """Answer; a caller who is gone, or does not speak, is no error of ours."""
        with suppress(TimeoutError, ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base's signature
        """Log nothing: one line a scrape is noise."""


class BuildInfo(Collector):
    """What runs here."""

    def __init__(self, worker: str) -> None:
        """Take the worker's name."""
        self._labels = [worker, version("sealflow"), platform.python_version(), version("temporalio")]

    def collect(self) -> Iterator[Metric]:
        """Yield the metric."""
        info = gauge(definitions.BUILD_INFO)
        info.add_metric(self._labels, 1)
        yield info


@asynccontextmanager
async def measured(
    config: Config, client: Client, admission: Admission, mounts: Mounts, sdk: SdkMetrics | None
) -> AsyncIterator[None]:
    """Serve the metrics, if they are enabled. Raises StartError for an address that cannot be listened on.

    ``sdk`` is there where the client was made to be measured.
    """
    if not config.metrics.enable:
        yield
        return
    fleet, stores = FleetMetrics(client, config.temporal.task_queue), config.stores()
    folders = FolderMetrics(
        mounts,
        {store.name: store.location for store in stores},
        {str(thread.location): thread.location for thread in config.sealing_thread},
        {store.name for store in stores if store.readonly},
    )
    collectors: list[Collector] = [counting.REGISTRY, BuildInfo(config.worker.name), fleet, folders]
    collectors.append(AdmissionMetrics(lambda: admission.board))
    async with AsyncExitStack() as stack:
        for work in (fleet.count_for_ever(), folders.look_for_ever()):
            await stack.enter_async_context(beside(work, "some metrics are not kept up to date any more"))
        await stack.enter_async_context(_served(config.metrics.http_listen, collectors, sdk))
        yield


@asynccontextmanager
async def _served(listen: str, collectors: Sequence[Collector], sdk: SdkMetrics | None = None) -> AsyncIterator[None]:
    registry = CollectorRegistry()
    for each in collectors:
        registry.register(each)
    host, port = host_port(listen)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise StartError(
            f"[metrics] http_listen = {listen}: {error.strerror or error}; end what holds it, or choose another"
        ) from error
    server.RequestHandlerClass = _Impatient
    server.set_app(_joined(registry, sdk))
    log.info("metrics at http://%s:%d/metrics", host, server.server_port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


def _joined(registry: CollectorRegistry, sdk: SdkMetrics | None) -> WSGIApplication:
    """Return what answers with both, in the one format of which two can be put together."""

    def answer(_: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        start("200 OK", [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)])
        return [generate_latest(registry), sdk.text() if sdk else b""]

    return answer
