"""Where the manager's JSON-RPC is, from the address that stands in configuration."""

from __future__ import annotations

import httpx

from sealing.addresses import RPC_PATH, http_base


def manager_url(address: str) -> str:
    """Return the URL of the JSON-RPC of a manager, which is named by a URL or a multiaddr.

    Raises ValueError that says what would be right.
    """
    if "@" in address:
        msg = "the manager's address holds a user or a password, which logs would show; use rpc_client.headers instead"
        raise ValueError(msg)
    try:
        url = http_base(address) + RPC_PATH
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        msg = f"the manager's address {address[:200]!r} cannot be used: {error}"
        raise ValueError(msg) from error
    return url
