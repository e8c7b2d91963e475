"""Checks of whom this worker trusts: who may call it, and how its secrets travel. The keys must fit each other.

Like those in ``places`` they look at the parsed TOML.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sealing.addresses import host_port, is_loopback
from sealing.config.keys import table_at
from sealing.config.ours import Temporal
from sealing.config.problems import Finding

TLS_KEYS = ("tls", "tls_server_name", "tls_ca_file", "tls_cert_file", "tls_key_file")
CALLERS = {"allowed_addresses", "token_file", "token_env"}
"""The keys that say who may call a worker."""


def check(raw: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong."""
    yield from _tls_pair(raw)
    yield from _plain_key(raw)
    yield from _two_tokens(raw)


def look_around(raw: dict[str, Any]) -> Iterator[Finding]:
    """Find that a service which other machines can reach says nothing of who may call."""
    service = table_at(raw, "worker", "rpc_server")
    host = service.get("host")
    if isinstance(host, str) and not is_loopback(host) and not CALLERS & set(service):
        why = (
            "can be reached from other machines: only the manager's own address is answered there, and this machine; "
            "allowed_addresses, or token_file, says who else"
        )
        yield Finding(("worker", "rpc_server", "host"), host, why)


def _plain_key(raw: dict[str, Any]) -> Iterator[Finding]:
    """Find a key for Temporal that would be sent in plain over a network."""
    temporal = table_at(raw, "temporal")
    if "api_key_file" not in temporal or any(temporal.get(name) for name in TLS_KEYS):
        return
    with contextlib.suppress(ValueError, TypeError, AttributeError):  # an address that is none is told as such
        if not is_loopback(host_port(temporal.get("address", Temporal().address))[0]):
            yield Finding(
                ("temporal", "tls"), None, "is needed with api_key_file, or the key travels in plain; set true"
            )


def _two_tokens(raw: dict[str, Any]) -> Iterator[Finding]:
    service = table_at(raw, "worker", "rpc_server")
    if "token_file" in service and "token_env" in service:
        right = "names one token and token_file another; remove one"
        yield Finding(("worker", "rpc_server", "token_env"), service["token_env"], right)


def _tls_pair(raw: dict[str, Any]) -> Iterator[Finding]:
    temporal = table_at(raw, "temporal")
    pair = ("tls_cert_file", "tls_key_file")
    given = [name for name in pair if name in temporal]
    if len(given) == 1:
        (missing,) = set(pair) - set(given)
        yield Finding(("temporal", missing), None, f"is needed with {given[0]}; add it")
