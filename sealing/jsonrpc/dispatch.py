"""JSON-RPC 2.0 on the server's side: from a request's body to an answer's. Junk gets an error, never an exception."""

from __future__ import annotations

import inspect
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from sealing.failures import bounded
from sealing.jsonrpc.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    PROTOCOL_ERRORS,
    RpcError,
)
from sealing.jsonrpc.method import Method
from sealing.jsonrpc.preference import Preference

log = logging.getLogger(__name__)

Handlers = Mapping[str, tuple[Method[Any], Callable[..., Awaitable[Any]]]]
IDEMPOTENCY_KEY = "Idempotency-Key"
"""HTTP header with which a repeated call is known as such. Services that do not know it ignore it."""
KEY_LIMIT = 200
"""Characters of an idempotency key."""
NAME_LIMIT = 80
"""Characters of a method's name that are said again in an error."""


async def dispatch(
    handlers: Handlers, body: bytes, request: str | None, preference: Preference | None = None
) -> tuple[int, bytes]:
    """Return the HTTP status and the body of the answer.

    ``request`` is the caller's idempotency key. A handler that can hold a call notes in ``preference`` that it does.
    """
    number: Any = None
    try:
        asked = _parse(body)
        number = _number(asked)
        answer = {"result": await _run(handlers, asked, request, preference or Preference())}
        status = 200
    except RpcError as error:
        answer = {"error": {"code": error.code, "message": str(error)}}
        status = 500 if error.code in PROTOCOL_ERRORS else 200
    return status, to_json({"jsonrpc": "2.0", "id": number, **answer})


def _parse(body: bytes) -> dict[str, Any]:
    try:
        asked = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RpcError(f"cannot read the request: {error}", PARSE_ERROR) from error
    if not isinstance(asked, dict):
        msg = "a request must be an object; batches are not served"
        raise RpcError(msg, INVALID_REQUEST)
    return asked


def _number(asked: dict[str, Any]) -> int | str:
    number = asked.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str):
        msg = "a request needs an id, an integer or a text"
        raise RpcError(msg, INVALID_REQUEST)
    return number


async def _run(handlers: Handlers, asked: dict[str, Any], request: str | None, preference: Preference) -> Any:  # noqa: ANN401 - any JSON value
    name, params = asked.get("method"), asked.get("params")
    if asked.get("jsonrpc") != "2.0" or not isinstance(name, str):
        msg = 'a request needs "jsonrpc": "2.0" and a method'
        raise RpcError(msg, INVALID_REQUEST)
    if name not in handlers:
        raise RpcError(f"method '{name[:NAME_LIMIT]}' not found", METHOD_NOT_FOUND)
    method, handler = handlers[name]
    values = _params(method, [] if params is None else params)
    takes = inspect.signature(handler).parameters
    keyed: dict[str, Any] = {"request": _key(request)} if "request" in takes else {}
    if "preference" in takes:
        keyed["preference"] = preference
    try:
        return method.dump_result(await handler(*values, **keyed))
    except (sqlite3.Error, OSError) as error:
        log.exception("%s failed", name)
        raise RpcError(f"{name}: {type(error).__name__}: {bounded(str(error), 500)}") from error


def _params(method: Method[Any], params: object) -> list[Any]:
    if not isinstance(params, list):
        raise RpcError(f"{method.name} takes its params by position, in an array", INVALID_PARAMS)
    if len(params) != len(method.parameters):
        text = f"wrong param count (method '{method.name}'): {len(params)} != {len(method.parameters)}"
        raise RpcError(text, INVALID_PARAMS)
    try:
        return method.load_params(params)
    except ValueError as error:
        raise RpcError(f"{method.name}: {error}", INVALID_PARAMS) from error


def _key(request: str | None) -> str | None:
    if request is not None and not 0 < len(request) <= KEY_LIMIT:
        raise RpcError(f"the idempotency key must have 1 to {KEY_LIMIT} characters", INVALID_PARAMS)
    return request
