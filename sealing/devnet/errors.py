"""The errors that the embedded manager answers with."""

from __future__ import annotations

from sealing.manager.rpc import UNKNOWN_SECTOR

APPLICATION = 1
"""Code of an error that has no code of its own."""


class RpcError(Exception):
    """An error for the caller: its code and its message."""

    def __init__(self, message: str, code: int = APPLICATION) -> None:
        """Take the message, and the code where it is not an application error."""
        super().__init__(message)
        self.code = code


def unknown_sector() -> RpcError:
    """Return the error by which a worker knows that its sector is none of the manager's."""
    return RpcError(f"error code {UNKNOWN_SECTOR}: sector state not found", UNKNOWN_SECTOR)
