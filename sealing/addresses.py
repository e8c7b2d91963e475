"""Addresses as they stand in configuration: ``host:port``, URLs, and the multiaddrs of the Filecoin world."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_PORTS = range(1, 65536)
_MULTIADDR = re.compile(r"/(ip4|ip6|dns|dns4|dns6)/([^/]+)/tcp/([0-9]+)(?:/(http|https|ws|wss))?/?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
"""Addresses of machines: one, or all that share a beginning."""
NETWORK_EXAMPLE = 'an IP address or a network, such as "10.0.0.5" or "10.0.0.0/24"'

_OVER_HTTP = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""The manager takes the same calls by WebSocket and by HTTP, at one port; we make them by HTTP."""

HTTP_EXAMPLE = 'a URL or a multiaddr with a port, such as "http://127.0.0.1:1789" or "/ip4/127.0.0.1/tcp/1789"'
HOST_PORT_EXAMPLE = 'a host and a port, such as "10.0.0.1:4000"'

RPC_PATH = "/rpc/v0"
"""Where the manager serves its JSON-RPC, below its address."""


def http_base(address: str) -> str:
    """Return the URL that ``address`` stands for, without a closing slash and without the JSON-RPC's path.

    Raises ValueError that says what would be right.
    """
    if address.startswith("/"):
        return _from_multiaddr(address)
    try:
        url = urlsplit(address)
        port_is_good = url.port is None or url.port in _PORTS
    except ValueError:
        raise ValueError(f"write {HTTP_EXAMPLE}") from None
    if url.scheme not in _OVER_HTTP or not url.hostname or not port_is_good or url.query or url.fragment:
        raise ValueError(f"write {HTTP_EXAMPLE}")
    if re.search(r"\s", address):
        raise ValueError(f"holds a space; write {HTTP_EXAMPLE}")
    return f"{_OVER_HTTP[url.scheme]}://{url.netloc}{url.path.rstrip('/').removesuffix(RPC_PATH)}"


def _from_multiaddr(address: str) -> str:
    parts = _MULTIADDR.fullmatch(address)
    if parts is None or int(parts[3]) not in _PORTS:
        raise ValueError(f"write {HTTP_EXAMPLE}")
    host = f"[{parts[2]}]" if parts[1] == "ip6" else parts[2]
    return f"{_OVER_HTTP[parts[4] or 'http']}://{host}:{parts[3]}"


def host_port(address: str) -> tuple[str, int]:
    """Return the host and the port of ``host:port``; an IPv6 host stands in brackets.

    Raises ValueError that says what would be right.
    """
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bad_host = not bare or re.search(r"[\s/\[\]]", bare) or (":" in bare and bare == host)
    if not colon or bad_host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) not in _PORTS:
        raise ValueError(f"write {HOST_PORT_EXAMPLE}")
    return bare, int(port)


def network(text: object) -> Network:
    """Return the addresses that ``text`` stands for. Raises ValueError that says what would be right."""
    if isinstance(text, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return text
    try:
        found = ipaddress.ip_network(text) if isinstance(text, str) else None
    except ValueError as error:
        raise ValueError(f"{str(error)[:200]}; write {NETWORK_EXAMPLE}") from None
    if found is None:
        raise ValueError(f"write {NETWORK_EXAMPLE}")
    if not found.prefixlen:
        raise ValueError(f"{found} is everybody; write {NETWORK_EXAMPLE}")
    return found


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``. A name other than localhost is taken as reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
