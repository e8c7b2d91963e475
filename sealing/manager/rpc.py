"""One JSON-RPC call over HTTP, and which failure each way of going wrong is.

Outage      nobody there, no answer in time, HTTP 5xx, 408 or 429 without a JSON-RPC error, an answer that is cut off
Permanent   a method, parameters or an address that the manager does not take; an answer that is too large
Abort       the manager does not know the sector (11001)
Temporary   any other error of the manager, an answer that is not JSON-RPC or that belongs to another call
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Mapping
from typing import Any, Self

import httpx
from pydantic_core import from_json, to_json

from sealing.failures import Abort, Outage, Permanent, SealingFailure, Temporary, bounded
from sealing.headers import count_of
from sealing.jsonrpc.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR
from sealing.jsonrpc.preference import APPLIED, PREFER, wait_of, waiting
from sealing.manager.address import manager_url
from sealing.metrics import counting
from sealing.tracing import called

MAX_BODY = 16 << 20
"""Bytes of an answer that are read unless the caller says otherwise."""

UNKNOWN_SECTOR = 11001
"""Error code of "sector state not found"."""
REFUSALS = {
    PARSE_ERROR: "the manager could not read the request",
    INVALID_REQUEST: "the manager does not take the request",
    METHOD_NOT_FOUND: "the manager has no such method; is this a manager, and its version recent enough?",
    INVALID_PARAMS: "the manager does not take the parameters",
}
"""What JSON-RPC's own errors mean here."""

TEXT_LIMIT = 500
"""Characters of the other side's text that go into a failure."""
OK, REDIRECTS, REQUEST_ERRORS, SERVER_ERRORS = 200, 300, 400, 500
"""The first status of each class of HTTP answers."""
PASSING = frozenset({408, 429})
"""Statuses below 500 that say that the server is busy, not that the request is wrong."""
ADVICE = {
    401: "the manager wants a token: set token_file, or Authorization in rpc_client.headers",
    403: "the manager refuses this machine or its token: check token_file, or Authorization in rpc_client.headers",
    404: "nothing is served at this path: check the address, the manager's path is /rpc/v0",
    405: "this path takes no POST: check the address, the manager's path is /rpc/v0",
    413: "the request is larger than the manager, or a proxy before it, takes",
}


class Rpc:
    """Calls to one manager. Safe for use by many tasks of one event loop."""

    def __init__(
        self, address: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0, max_body: int = MAX_BODY
    ) -> None:
        """Take the manager's address, extra headers, seconds for a whole call, and bytes of an answer.

        Raises ValueError for an address or a header that cannot be right.
        """
        self.url = manager_url(address)
        self._timeout = timeout
        self._max_body = max_body
        self._ids = itertools.count(1)
        # Neither proxies nor .netrc of the environment: the manager is in the worker's own network.
        self._http = httpx.AsyncClient(
            headers={**_checked(headers or {}), "Content-Type": "application/json", "Accept-Encoding": "identity"},
            timeout=timeout,
            verify=ssl.create_default_context(),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """Give the connections; they are opened when needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def about(self, method: str, what: str) -> str:
        """Return a failure's one line: the manager, the method, and what went wrong."""
        return f"manager {self.url}: {method}: {bounded(' '.join(what.split()), TEXT_LIMIT)}"

    async def call(self, method: str, params: list[Any], headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Return the result of one call, any JSON value. Raises a SealingFailure, as the module's text says."""
        result, _ = await self.held(method, params, 0, headers)
        return result

    async def held(
        self, method: str, params: list[Any], wait: int, headers: Mapping[str, str] | None = None
    ) -> tuple[Any, int]:
        """Return the result of a call that may be held for ``wait`` seconds, and for how many it was; 0: not held."""
        number = next(self._ids)
        body = to_json({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        prefer = {PREFER: waiting(wait)} if wait else {}
        with called(method), counting.called(method) as counted:
            response, answer = await self._post(method, body, {**_checked(headers or {}), **prefer}, wait)
            status, applied = response.status_code, min(wait, wait_of(response.headers.get_list(APPLIED)))
            counted.is_held = applied > 0
            self._check_status(method, status, answer)
            return self._result(method, status, self._parse(method, status, answer), number), applied

    async def _post(
        self, method: str, body: bytes, headers: Mapping[str, str], wait: int
    ) -> tuple[httpx.Response, bytes]:
        limit = self._timeout + wait
        try:
            async with (
                asyncio.timeout(limit),
                self._http.stream("POST", self.url, content=body, headers=headers, timeout=limit) as response,
            ):
                return response, await self._read(method, response)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Outage(self.about(method, f"no answer within {limit:g} s")) from error
        except httpx.TransportError as error:
            raise Outage(self.about(method, str(error) or type(error).__name__)) from error

    async def _read(self, method: str, response: httpx.Response) -> bytes:
        limit = self._max_body
        kept = bytearray()
        if _declared_length(response) <= limit:
            # Raw, so that a compressed answer cannot unpack beyond the limit; compression was not asked for.
            async for chunk in response.aiter_raw():
                kept += chunk
                if len(kept) > limit:
                    break
            else:
                return bytes(kept)
        raise Permanent(self.about(method, f"the answer is larger than {limit} bytes: is this the manager's address?"))

    def _check_status(self, method: str, status: int, answer: bytes) -> None:
        if status in PASSING:
            raise Outage(self.about(method, f"HTTP {status}: {_excerpt(answer)}"))
        if REDIRECTS <= status < REQUEST_ERRORS:
            raise Permanent(self.about(method, f"HTTP {status}: the manager is somewhere else: check the address"))
        if REQUEST_ERRORS <= status < SERVER_ERRORS:
            advice = ADVICE.get(status, "check the address and rpc_client.headers")
            raise Permanent(self.about(method, f"HTTP {status}: {advice}; it said: {_excerpt(answer)}"))

    def _parse(self, method: str, status: int, answer: bytes) -> dict[str, Any]:
        """Return the answer's object, or raise."""
        why, cut_off = "", False
        try:
            parsed = from_json(answer, allow_inf_nan=False)
        except ValueError as error:
            why, cut_off = str(error), str(error).startswith("EOF")
        else:
            if isinstance(parsed, dict) and parsed.get("jsonrpc") == "2.0":
                return parsed
            why = "not a JSON-RPC 2.0 object"
        if status >= SERVER_ERRORS:
            raise Outage(self.about(method, f"HTTP {status}: {_excerpt(answer)}"))
        if cut_off:
            raise Outage(self.about(method, f"the answer is cut off after {len(answer)} bytes: {why}"))
        raise Temporary(self.about(method, f"the answer is not JSON-RPC ({why}): {_excerpt(answer)}"))

    def _result(self, method: str, status: int, answer: dict[str, Any], number: int) -> Any:  # noqa: ANN401
        error = answer.get("error")
        if error is not None:
            raise self._failure(method, status, error)
        if status >= SERVER_ERRORS:
            raise Outage(self.about(method, f"HTTP {status} without an error in it"))
        got = answer.get("id")
        if isinstance(got, bool) or got != number:
            raise Temporary(self.about(method, f"the answer's id is {str(got)[:80]!r}, where {number} was asked"))
        return answer.get("result")

    def _failure(self, method: str, status: int, error: object) -> SealingFailure:
        fields = error if isinstance(error, dict) else {}
        code, message = fields.get("code"), fields.get("message")
        if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
            kind = Outage if status >= SERVER_ERRORS else Temporary
            return kind(self.about(method, f"an error that is not JSON-RPC's: {str(error)[:TEXT_LIMIT]}"))
        if code in REFUSALS:
            return Permanent(self.about(method, f"error {code}: {message}: {REFUSALS[code]}"))
        if code == UNKNOWN_SECTOR:
            return Abort(self.about(method, f"error {code}: {message}"))
        return Temporary(self.about(method, f"error {code}: {message}"))


def _declared_length(response: httpx.Response) -> int:
    return count_of(response.headers.get("content-length")) or 0


def _excerpt(answer: bytes) -> str:
    return ascii(answer[:200].decode(errors="replace"))


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name or not all("!" <= letter <= "~" for letter in name) or ":" in name:
            msg = f"header name {name!r}: write letters, digits and dashes, such as Authorization"
            raise ValueError(msg)
        if not (value.isascii() and value.isprintable()):
            msg = f"header {name}: its value has characters other than printable ASCII; remove line ends and the like"
            raise ValueError(msg)
    return dict(headers)
