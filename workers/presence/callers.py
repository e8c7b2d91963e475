"""Who may call the worker's JSON-RPC.

Beyond this machine it is answered by a token or by a list of addresses alone. The other worker answers everybody, and
its manager sends no token; so that its file starts this worker as well, the list is the manager's own address where
the file gives none.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from urllib.parse import urlsplit

from sealing.addresses import Network, is_loopback, network
from sealing.config import Config
from sealing.jsonrpc.access import Access

log = logging.getLogger(__name__)


async def callers(config: Config) -> Access:
    """Return who may call. Raises TokenError."""
    service = config.worker.rpc_server
    token, listed = service.token(), service.allowed_addresses
    if token is None and listed is None and not is_loopback(service.host):
        listed = await _manager(config.manager.url)
        shown = ", ".join(map(str, listed)) or "nobody"
        log.info("[worker.rpc_server] answers the manager's own address (%s) and this machine alone", shown)
    return Access(token, listed)


async def _manager(url: str) -> tuple[Network, ...]:
    """Return the addresses of the manager's host now."""
    host = urlsplit(url).hostname or ""
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning(
            "the manager's host %s has no address (%s), so its operators' calls are refused: start this worker again "
            "when it has one, or name its addresses in [worker.rpc_server] allowed_addresses",
            host,
            error.strerror or error,
        )
        return ()
    # A link-local address bears its interface behind a percent sign.
    return tuple(dict.fromkeys(network(str(where[0]).partition("%")[0]) for *_, where in found))
