"""The errors of its own that the embedded manager answers with."""

from __future__ import annotations

from sealing.jsonrpc.errors import RpcError
from sealing.manager.rpc import UNKNOWN_SECTOR


def unknown_sector() -> RpcError:
    """Return the error by which a worker knows that its sector is none of the manager's."""
    return RpcError(f"error code {UNKNOWN_SECTOR}: sector state not found", UNKNOWN_SECTOR)
