"""Serves this machine's metrics as Prometheus text, where ``[metrics]`` says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, start_http_server

from sealing.addresses import host_port
from sealing.config import Config
from sealing.metrics import AdmissionMetrics
from sealing.processors.admission import Admission
from workers.connection import StartError

log = logging.getLogger(__name__)


@asynccontextmanager
async def measured(config: Config, admission: Admission) -> AsyncIterator[None]:
    """Serve the metrics, if they are enabled. Raises StartError for an address that cannot be listened on."""
    if not config.metrics.enable:
        yield
        return
    registry = CollectorRegistry()
    registry.register(AdmissionMetrics(lambda: admission.board))
    host, port = host_port(config.metrics.http_listen)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise StartError(f"[metrics] http_listen = {config.metrics.http_listen}: {error}") from error
    log.info("metrics at http://%s:%d/metrics", host, server.server_port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
