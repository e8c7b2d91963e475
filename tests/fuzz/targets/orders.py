"""What operators send: arguments of signals and of the update, as a workflow's handler sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from functools import cache, partial
from typing import Any

from starlette.applications import Starlette
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from sealing.keyring import Keyring
from tests.fuzz.target import Target, check_text, finished, head_and_rest, in_loop
from workers.encryption.codec import EncryptingCodec, TolerantCodec
from workers.encryption.server import codec_application
from workflows.commands import Command, Kind, Refused, Several, read, read_control

KEYS = Keyring({"first": b"k" * 32})
ENCODINGS = {
    "json": b"json/plain",
    "null": b"binary/null",
    "plain": b"binary/plain",
    "proto": b"json/protobuf",
    "unreadable": b"binary/unreadable",
    "encrypted": b"binary/encrypted",
}


def payload_of(data: bytes) -> Payload:
    """Return the payload that an input stands for: words of encoding and key's id, a line's end, the data.

    ``sealed`` is data that was encrypted with the fleet's key; an unknown word is itself an encoding.
    """
    head, rest = head_and_rest(data)
    payload = Payload(data=rest)
    for word in head[:2]:
        if word in {"first", "other"}:
            payload.metadata["encryption-key-id"] = word.encode()
        else:
            payload.metadata["encoding"] = ENCODINGS.get(word, word.encode())
    if "sealed" in head:
        (payload,) = finished(EncryptingCodec(KEYS).encode([Payload(metadata=payload.metadata, data=rest)]))
    return payload


def signal(data: bytes) -> None:
    """Read a command, whoever sent it: refused, or one that can be said again and sent on."""
    (arrived,) = finished(TolerantCodec(KEYS).decode([payload_of(data)]))
    for raw in (arrived, payload_of(data)):
        for kind in Kind:
            _check(partial(read, kind, RawValue(raw)))
        _check(partial(read_control, RawValue(raw)))
    read(Kind.resume, Several(len(data)))


def _check(reading: Callable[[], Command]) -> None:
    try:
        command = reading()
    except Refused as error:
        check_text(str(error))
        return
    check_text(command.words)
    again = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(command.argument()).encode())
    assert read(command.kind, RawValue(again)) == command


WORDS = (
    b"json\n", b"null\n", b"plain\n", b"unreadable\n", b"encrypted first\n", b"encrypted other\n", b"sealed\n",
    b"\xff\n",
    b'"TreeDBuilt"', b'"Abort"', b'"state":', b'"reason":', b'"force":true', b'"now":false', b'"command":"resume"',
    b'"pause"', b"[" * 3000, b'{"reason":' * 900, b"NaN", b"1e999", b"9" * 4301, b'"\\ud800"', b"\\u0000", b"null",
    b'""', b'"sector":"s-t01000-1"',
)  # fmt: skip


@cache
def _codec() -> Starlette:
    return codec_application(KEYS, "sealing", ())


def codec(data: bytes) -> None:
    """Ask the codec server: a first word encode or decode, then the body; the answer is 200 or 400."""
    head, rest = head_and_rest(data)
    path = "/encode" if head and head[0] == "encode" else "/decode"
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"", "root_path": ""}
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": rest, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    in_loop(_codec()(scope, receive, send))
    assert said[0]["status"] in {200, 400}, said


CODEC = (
    b'{"payloads":[{"metadata":{"encoding":"', b'YmluYXJ5L2VuY3J5cHRlZA=="', b'"encryption-key-id":"Zmlyc3Q="',
    b'"data":"',
    b"=", b"[" * 200, b'"\\ud800"', b"null", b"encode\n", b"decode\n",
)  # fmt: skip

TARGETS = (Target("command", signal, (Refused,), WORDS), Target("codec-request", codec, words=CODEC))
