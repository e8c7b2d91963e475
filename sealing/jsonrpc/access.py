"""Who is answered over HTTP: whoever bears a token, whoever comes from an address on a list, or only who does both.

Pages are never answered: a browser on this machine sends what a page of anybody's tells it to, also to the loopback.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from sealing.addresses import Network

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
"""Answers a request."""

TOLD_EVERY = 3600.0
"""Seconds until an address that is refused is logged again."""
TOLD_AT_MOST = 64
"""Addresses that are logged in that time: the log does not grow with who knocks."""

NO_TOKEN = "a bearer token is needed"  # noqa: S105 - not a token, the lack of one
NO_PAGES = "web pages are not answered"


class Refusals:
    """Logs who was refused: each address once in a while, and not for ever."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody."""
        self._clock = clock
        self._began = clock()
        self._told: set[str] = set()

    def tell(self, address: str, why: str) -> None:
        """Log a refusal, if there is still something to say."""
        if self._clock() - self._began >= TOLD_EVERY:
            self._began, self._told = self._clock(), set()
        if address in self._told or len(self._told) > TOLD_AT_MOST:
            return
        self._told.add(address)
        if len(self._told) > TOLD_AT_MOST:
            log.warning("calls from more than %d addresses are refused; no more are named for a while", TOLD_AT_MOST)
        else:
            log.warning("a call from %s is refused: %s (told once an hour)", address, why)


@dataclass(frozen=True)
class Access:
    """Who is answered. What is given must all be met; with nothing, everybody is who can reach the port.

    ``networks`` are the addresses that may call, beside this machine's own loopback; None: any.
    """

    token: str | None = field(default=None, repr=False)
    networks: tuple[Network, ...] | None = None
    refusals: Refusals = field(default_factory=Refusals, repr=False, compare=False)

    def refusal(self, request: Request, *, pages: bool = False) -> Response | None:
        """Return why a request is not answered, as the answer; None where it is. ``pages``: who asks looks at those."""
        address = request.client.host if request.client else "an unknown address"
        status, why = HTTPStatus.FORBIDDEN, ""
        if not self._is_listed(address):
            why = f"calls from {address} are not allowed: it is on no list of allowed_addresses"
        elif not pages and "Origin" in request.headers:
            why = NO_PAGES
        elif not self._is_borne(request.headers.get("Authorization", "")):
            status, why = HTTPStatus.UNAUTHORIZED, NO_TOKEN
        if not why:
            return None
        self.refusals.tell(address, why)
        return refused(status, why)

    def _is_listed(self, address: str) -> bool:
        if self.networks is None:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        caller = (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed
        return caller.is_loopback or any(caller in network for network in self.networks)

    def _is_borne(self, given: str) -> bool:
        # In bytes: of texts compare_digest takes ASCII alone.
        wanted = f"Bearer {self.token}".encode()
        return self.token is None or hmac.compare_digest(given.encode(errors="replace"), wanted)


OPEN = Access()
"""For a service that only this machine can reach."""


def guarded(endpoint: Endpoint, access: Access, *, pages: bool = False) -> Endpoint:
    """Return an endpoint that answers only whom ``access`` lets in; ``pages`` as in ``Access.refusal``."""

    @functools.wraps(endpoint)
    async def guard(request: Request) -> Response:
        return access.refusal(request, pages=pages) or await endpoint(request)

    return guard


def refused(status: HTTPStatus, why: str) -> Response:
    """Return the answer to a request that is not looked at: plain JSON, in the form of JSON-RPC's errors."""
    headers = {"Connection": "close"}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": int(status), "message": why}}
    return Response(json.dumps(body), status, headers, media_type="application/json")
