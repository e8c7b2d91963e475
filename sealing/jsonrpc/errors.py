"""The errors that a server answers with, and their codes."""

from __future__ import annotations

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
PROTOCOL_ERRORS = frozenset({PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS})
"""JSON-RPC's own errors: the same request would get the same answer. They come with HTTP 500."""

APPLICATION = 1
"""Code of an error that has no code of its own."""


class RpcError(Exception):
    """An error for the caller: its code and its message."""

    def __init__(self, message: str, code: int = APPLICATION) -> None:
        """Take the message, and the code where it is not an application error."""
        super().__init__(message)
        self.code = code


class Unanswered(Exception):
    """The call gets no answer at all: its connection is cut."""
