"""The manager's address as configurations write it: a URL or a multiaddr."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpx

RPC_PATH = "/rpc/v0"
EXAMPLES = (
    "write http://127.0.0.1:1789, https://host.example:443/rpc/v0, /ip4/127.0.0.1/tcp/1789 or /dns4/host/tcp/1789"
)


def manager_url(address: str) -> str:
    """Return the URL of the manager's JSON-RPC. Raises ValueError that says what would be right."""
    url = _from_multiaddr(address) if address.startswith("/") else address
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise _wrong(address, str(error)) from None
    if parts.username is not None or parts.password is not None:
        msg = "the manager's address holds a password, which logs would show; put it into rpc_client.headers instead"
        raise ValueError(msg)
    if parts.scheme not in {"http", "https"}:
        raise _wrong(address, f"{parts.scheme or 'no'} scheme, where http or https is needed")
    if not parts.hostname or port == 0 or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise _wrong(address, "not a host, a port from 1 to 65535 and a path")
    return f"{parts.scheme}://{parts.netloc}{parts.path if parts.path.strip('/') else RPC_PATH}"


def _from_multiaddr(address: str) -> str:
    pieces = address[1:].removesuffix("/").split("/")
    scheme = pieces.pop() if pieces[-1] in {"http", "https"} else "http"
    if len(pieces) != 4 or pieces[2] != "tcp":  # noqa: PLR2004 - kind, host, tcp, port
        raise _wrong(address, "not a multiaddr of a host and a TCP port")
    kind, host, _, port = pieces
    if not (port.isascii() and port.isdigit()):
        raise _wrong(address, f"{port!r} is not a port")
    return f"{scheme}://{_host(address, kind, host)}:{port}"


def _host(address: str, kind: str, host: str) -> str:
    if kind in {"dns", "dns4", "dns6"} and host:
        return host
    try:
        if kind == "ip4":
            return str(ipaddress.IPv4Address(host))
        if kind == "ip6":
            return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError as error:
        raise _wrong(address, str(error)) from None
    raise _wrong(address, f"/{kind}/ is not one of /ip4/, /ip6/, /dns/, /dns4/, /dns6/")


def _wrong(address: str, why: str) -> ValueError:
    return ValueError(f"manager address {address[:200]!r}: {why}; {EXAMPLES}")
