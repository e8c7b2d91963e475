"""Payloads are encrypted on their way to Temporal, failures with them, and decrypted on their way back.

What is not encrypted passes through, for operators signal by clients that encrypt nothing. What no key here opens is
raised: a worker without the key must not go on with something else than what is meant. So the workflow's task fails,
and is given out again, to another worker that has the key or to this one with a better file.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadCodec, PayloadConverter

from sealing.keyring import Keyring, UnreadableError

ENCODING, KEY_ID = "encoding", "encryption-key-id"
"""Metadata, by the convention of Temporal's own samples."""
ENCRYPTED = b"binary/encrypted"


class EncryptingCodec(PayloadCodec):
    """Encrypts with the first key of a ring, decrypts with any; without a key it encrypts nothing."""

    def __init__(self, keys: Keyring) -> None:
        """Take the keys."""
        self._keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload whole, with its metadata."""
        return [self._sealed(payload) for payload in payloads] if self._keys.keys else list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted, and let pass what is not. Raises UnreadableError."""
        return [self._opened(payload) if is_encrypted(payload) else payload for payload in payloads]

    def _sealed(self, payload: Payload) -> Payload:
        name, data = self._keys.seal(payload.SerializeToString())
        return Payload(metadata={ENCODING: ENCRYPTED, KEY_ID: name.encode()}, data=data)

    def _opened(self, payload: Payload) -> Payload:
        name = payload.metadata[KEY_ID].decode(errors="replace")
        return Payload.FromString(self._keys.open(name, payload.data))


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
        if isinstance(exception, UnreadableError) or isinstance(exception.__cause__, UnreadableError):
            failure.ClearField("encoded_attributes")
            failure.message = str(exception)


def is_encrypted(payload: Payload) -> bool:
    """Tell whether a payload says that it is encrypted, and with which key: else it is no matter of ours."""
    return payload.metadata.get(ENCODING) == ENCRYPTED and KEY_ID in payload.metadata


def converter(keys: Keyring) -> DataConverter:
    """Return what turns values into payloads, encrypted if there are keys."""
    if not keys.keys:
        return DataConverter(payload_converter_class=PydanticPayloadConverter, payload_codec=EncryptingCodec(keys))
    return DataConverter(
        payload_converter_class=PydanticPayloadConverter,
        payload_codec=EncryptingCodec(keys),
        failure_converter_class=EncryptedFailures,
    )
