"""The codec server: encrypts and decrypts payloads for Temporal's Web UI and ``temporal --codec-endpoint``.

The browser calls it, not the Temporal server, so that plain text never leaves the machines that have the keys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads

from sealing.jsonrpc.access import Access, guarded
from sealing.jsonrpc.server import body_of
from sealing.keyring import Keyring, UnreadableError
from workers.encryption.codec import EncryptingCodec

MAX_BODY = 16 << 20
"""Bytes of a request: some payloads of the largest size that Temporal takes, 2 MB, in base64."""
NAMESPACE = "X-Namespace"
"""The header by which clients tell whose payloads they send."""

Work = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def codec_application(keys: Keyring, namespace: str, origins: Sequence[str], token: str | None = None) -> Starlette:
    """Return the HTTP application for one namespace, for pages of these origins and whoever is no page."""
    codec, access = EncryptingCodec(keys), Access(token)

    def route(path: str, work: Work) -> Route:
        async def answer(request: Request) -> Response:
            refusal = _refusal(request, namespace, origins)
            return refusal or await _worked(request, work)

        return Route(path, guarded(answer, access, pages=True), methods=["POST"])

    # A page asks first whether it may, without the token.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type", NAMESPACE],
        allow_credentials=True,
    )
    return Starlette(routes=[route("/encode", codec.encode), route("/decode", codec.decode)], middleware=[cors])


def _refusal(request: Request, namespace: str, origins: Sequence[str]) -> Response | None:
    """Return why a request is none of ours: another namespace's, whose keys are others, or a strange page's."""
    # The command line names none where it asks a query.
    origin, asked = request.headers.get("Origin"), request.headers.get(NAMESPACE) or namespace
    if origin is not None and origin not in origins:
        return _said(HTTPStatus.FORBIDDEN, f"pages of {origin!r} are not served: start with --allow-origin {origin}")
    if asked != namespace:
        return _said(HTTPStatus.NOT_FOUND, f"the keys here are those of namespace {namespace!r}, not of {asked!r}")
    return None


async def _worked(request: Request, work: Work) -> Response:
    body = await body_of(request, MAX_BODY)
    if isinstance(body, Response):
        return body
    try:
        given = json_format.Parse(body, Payloads(), ignore_unknown_fields=True)
        done = Payloads(payloads=await work(given.payloads))
    except UnreadableError as error:
        return _said(HTTPStatus.BAD_REQUEST, str(error))
    except (json_format.ParseError, ValueError, RecursionError):
        return _said(HTTPStatus.BAD_REQUEST, 'write {"payloads": [{"metadata": {…}, "data": …}]}, bytes in base64')
    return Response(json_format.MessageToJson(done, indent=None), media_type="application/json")


def _said(status: HTTPStatus, why: str) -> Response:
    # Headers and pages' names come from anywhere: what is no text is escaped.
    return PlainTextResponse(f"{why}\n".encode(errors="replace"), status)
