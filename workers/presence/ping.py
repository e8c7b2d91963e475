"""Signs of life: every ``ping_interval`` the manager is told how many threads are in which state, and where to call."""

from __future__ import annotations

import asyncio
import logging
import socket
from importlib.metadata import version
from urllib.parse import urlsplit

from temporalio.client import Client

from sealing.addresses import is_loopback
from sealing.config import Config
from sealing.failures import SealingFailure
from sealing.manager.client import Manager
from sealing.manager.wire import WorkerPing
from workers.operate import looking
from workers.presence.threads import count

log = logging.getLogger(__name__)


async def ping_for_ever(config: Config, client: Client, manager: Manager, port: int) -> None:
    """Ping until cancelled. A manager that does not answer is told of once, and once when it answers again."""
    dest = f"{reachable_host(config.worker.rpc_server.host, config.manager.url)}:{port}"
    away = False
    while True:
        summary = count(await looking.threads(client, config))
        sign = WorkerPing(
            name=config.worker.name, dest=dest, version=f"sealflow {version('sealflow')}", summary=summary
        )
        try:
            await manager.ping(sign)
        except SealingFailure as failure:
            if not away:
                log.warning("the manager does not take signs of life: %s", failure)
            away = True
        else:
            if away:
                log.info("the manager takes signs of life again")
            away = False
        await asyncio.sleep(config.worker.ping_interval.total_seconds())


def reachable_host(host: str, manager_url: str) -> str:
    """Return the host by which the manager reaches a service that listens on ``host``.

    For one that listens on every interface that is the address from which this machine reaches the manager.
    """
    manager = urlsplit(manager_url).hostname or ""
    if host not in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not listened on
        if is_loopback(host) and not is_loopback(manager):
            log.warning(
                "[worker.rpc_server] listens on %s, which the manager at %s cannot reach: its operators' commands do "
                "not arrive; set host to this machine's address if they should",
                host,
                manager,
            )
        return f"[{host}]" if ":" in host else host
    return _own_address(manager)


def _own_address(towards: str) -> str:
    """Return this machine's address on the way to another; nothing is sent."""
    try:
        kind, *_, target = socket.getaddrinfo(towards, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            own: str = probe.getsockname()[0]
    except OSError:
        return socket.gethostname()
    return f"[{own}]" if ":" in own else own
