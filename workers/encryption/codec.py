"""Payloads are encrypted on their way to Temporal, failures with them, and decrypted on their way back.

What is not encrypted passes through, for operators signal by clients that encrypt nothing. What no key here opens is
raised where it is used: a worker without the key must not go on with something else than what is meant. So the
workflow's task fails, and is given out again, to another worker that has the key or to this one with a better file.
But a signal that nobody can read is refused as any other nonsense is, for no signal may fail a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    EncodingPayloadConverter,
    PayloadCodec,
    PayloadConverter,
)

from sealing.keyring import Keyring, UnreadableError
from workflows.commands import UNREADABLE

ENCODING, KEY_ID = "encoding", "encryption-key-id"
"""Metadata, by the convention of Temporal's own samples."""
ENCRYPTED = b"binary/encrypted"


class EncryptingCodec(PayloadCodec):
    """Encrypts with the first key of a ring, decrypts with any; without a key it encrypts nothing."""

    def __init__(self, keys: Keyring) -> None:
        """Take the keys."""
        self.keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload whole, with its metadata."""
        return [self._sealed(payload) for payload in payloads] if self.keys.keys else list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted, and let pass what is not. Raises UnreadableError."""
        return [self._opened(payload) if is_encrypted(payload) else payload for payload in payloads]

    def _sealed(self, payload: Payload) -> Payload:
        name, data = self.keys.seal(payload.SerializeToString())
        return Payload(metadata={ENCODING: ENCRYPTED, KEY_ID: name.encode()}, data=data)

    def _opened(self, payload: Payload) -> Payload:
        name = payload.metadata[KEY_ID].decode(errors="replace")
        return Payload.FromString(self.keys.open(name, payload.data))


class TolerantCodec(EncryptingCodec):
    """Puts the reason in place of what no key opens, so that who uses it decides: a signal refuses, all else raises."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what can be decrypted."""
        return [await self._tolerated(payload) for payload in payloads]

    async def _tolerated(self, payload: Payload) -> Payload:
        try:
            (opened,) = await super().decode([payload])
        except UnreadableError as error:
            return Payload(metadata={ENCODING: UNREADABLE}, data=str(error).encode())
        return opened


class _Unreadable(EncodingPayloadConverter):
    """Raises the reason where a value is made of it."""

    @property
    def encoding(self) -> str:
        """The mark of such payloads."""
        return UNREADABLE.decode()

    def to_payload(self, value: object) -> Payload | None:  # noqa: ARG002 - the SDK's signature
        """Make none."""
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> NoReturn:  # noqa: ARG002 - as above
        """Raise UnreadableError."""
        raise UnreadableError(payload.data.decode(errors="replace"))


class TolerantConverter(PydanticPayloadConverter):
    """Converts as ever, and knows what the tolerant codec leaves."""

    def __init__(self) -> None:
        """Add it."""
        super().__init__()
        self.converters = {**self.converters, UNREADABLE: _Unreadable()}


class EncryptedFailures(DefaultFailureConverter):
    """Moves texts and stack traces of failures to where the codec finds them.

    Not those of a payload that cannot be read: they hold no secret, and who has the right key could not read them.
    """

    def __init__(self) -> None:
        """Set what the base offers."""
        super().__init__(encode_common_attributes=True)

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Write an exception into a failure."""
        super().to_failure(exception, payload_converter, failure)
        for error in (exception, exception.__cause__):
            if isinstance(error, UnreadableError):
                failure.ClearField("encoded_attributes")
                failure.message = str(error)


def is_encrypted(payload: Payload) -> bool:
    """Tell whether a payload says that it is encrypted, and with which key: else it is no matter of ours."""
    return payload.metadata.get(ENCODING) == ENCRYPTED and KEY_ID in payload.metadata


def tolerant(client: Client) -> Client:
    """Return the client with which workflows are served: see ``TolerantCodec``."""
    given = client.data_converter
    if not isinstance(given.payload_codec, EncryptingCodec):
        return client
    config = client.config()
    config["data_converter"] = replace(
        given, payload_codec=TolerantCodec(given.payload_codec.keys), payload_converter_class=TolerantConverter
    )
    return Client(**config)


def converter(keys: Keyring) -> DataConverter:
    """Return what turns values into payloads, encrypted if there are keys."""
    if not keys.keys:
        return DataConverter(payload_converter_class=PydanticPayloadConverter, payload_codec=EncryptingCodec(keys))
    return DataConverter(
        payload_converter_class=PydanticPayloadConverter,
        payload_codec=EncryptingCodec(keys),
        failure_converter_class=EncryptedFailures,
    )
