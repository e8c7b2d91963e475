"""What the embedded manager serves over HTTP, as an OpenAPI document: made of the methods and their models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from sealing.addresses import RPC_PATH
from sealing.devnet import piecestore
from sealing.jsonrpc.dispatch import IDEMPOTENCY_KEY, KEY_LIMIT
from sealing.jsonrpc.errors import PROTOCOL_ERRORS
from sealing.jsonrpc.method import Method
from sealing.jsonrpc.preference import APPLIED, PREFER
from sealing.manager import methods
from sealing.pieces.cid import CID_LENGTH

Schema = dict[str, Any]
METHODS: tuple[Method[Any], ...] = tuple(each for each in vars(methods).values() if isinstance(each, Method))
"""Every method, in the order of its table."""
_WAIT: Schema = {"type": "string", "pattern": "^wait=[0-9]{1,4}$"}
_REFERENCE = "#/components/schemas/{model}"


def document(served: Iterable[Method[Any]] = METHODS) -> Schema:
    """Return the document of these methods and of the piece store."""
    requests, answers, models = _schemas(list(served))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sealflow's embedded manager",
            "version": "1",
            "description": "JSON-RPC 2.0 by POST, one object a request, and the data of pieces by GET. A request that "
            "is none of a method's own gets HTTP 500 with JSON-RPC's own error, as the manager gives it; "
            "what a method refuses is an error with HTTP 200.",
        },
        "security": [{}, {"bearer": []}],
        "paths": {RPC_PATH: {"post": _rpc(requests, answers)}, piecestore.PATH: {"get": _piece()}},
        "components": {
            "schemas": models,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(served: list[Method[Any]]) -> tuple[list[Schema], list[Schema], Schema]:
    """Return each method's request and result, and the models that they name.

    All as they are written: a model's validators take what its schema does not tell, such as null for none.
    """
    adapters: list[tuple[tuple[str, int], TypeAdapter[Any]]] = []
    for method in served:
        kinds = (method.result, *method.parameters)
        adapters += [((method.name, place), TypeAdapter(kind)) for place, kind in enumerate(kinds)]
    found, models = TypeAdapter.json_schemas(
        [(key, "serialization", adapter) for key, adapter in adapters], ref_template=_REFERENCE
    )
    made = {key: schema for (key, _), schema in found.items()}
    requests = [
        _request(method.name, [made[method.name, place] for place, _ in enumerate(method.parameters, 1)])
        for method in served
    ]
    return requests, [made[method.name, 0] for method in served], models.get("$defs", {})


def _request(name: str, params: list[Schema]) -> Schema:
    count = len(params)
    return {
        "title": name,
        "type": "object",
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"type": ["integer", "string"]},
            "method": {"const": name},
            "params": {"type": "array", "prefixItems": params, "items": False, "minItems": count, "maxItems": count},
        },
        "required": ["jsonrpc", "id", "method", "params"],
    }


def _rpc(requests: list[Schema], answers: list[Schema]) -> Schema:
    result = {"properties": {"result": {"anyOf": answers}}, "required": ["result"]}
    refused = {"properties": {"error": _error({"type": "integer"})}, "required": ["error"]}
    wrong = {"properties": {"error": _error({"enum": sorted(PROTOCOL_ERRORS)})}, "required": ["error"]}
    return {
        "operationId": "call",
        "parameters": [
            {
                "name": IDEMPOTENCY_KEY,
                "in": "header",
                "description": "With which an allocation that is asked for again gives the same.",
                "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LIMIT},
            },
            {
                "name": PREFER,
                "in": "header",
                "description": "RFC 7240: the seconds for which a poll of a message may be held until that is decided.",
                "schema": _WAIT,
            },
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": requests}}}},
        "responses": {
            "200": {
                **_json("The result, or why the method refuses.", {**_answer(), "oneOf": [result, refused]}),
                "headers": {APPLIED: {"description": "For how long the poll is held at most.", "schema": _WAIT}},
            },
            "500": _json("JSON-RPC's own error.", {**_answer(), **wrong}),
            "401": _text("No bearer token, or another."),
            "413": _text("The request is too large."),
        },
    }


def _answer() -> Schema:
    return {"type": "object", "properties": {"jsonrpc": {"const": "2.0"}, "id": {}}, "required": ["jsonrpc", "id"]}


def _error(code: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"code": code, "message": {"type": "string"}},
        "required": ["code", "message"],
    }


def _piece() -> Schema:
    data = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "operationId": "piece",
        "parameters": [
            {
                "name": "cid",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": f"^baga[a-z2-7]{{{CID_LENGTH - 4}}}$"},
            },
            {"name": "Range", "in": "header", "schema": {"type": "string", "pattern": "^bytes=[0-9]+-[0-9]*$"}},
        ],
        "responses": {
            "200": {"description": "The piece's data.", "content": data},
            "206": {"description": "The range of it that was asked for.", "content": data},
            "400": _text("The range is none."),
            "401": _text("No bearer token, or another."),
            "404": _text("There is no such piece."),
            "416": _text("The piece has no such range."),
        },
    }


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str) -> Schema:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}
