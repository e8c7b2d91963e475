"""How single values look on the wire: field types whose JSON side is the wire and whose Python side is the domain."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from sealing.failures import bounded
from sealing.proofs import NON_INTERACTIVE, seal_proof
from sealing.values import Base64, Hex32

Code = TypeVar("Code", bound=IntEnum)

LENGTH = 32
"""Bytes of a commitment and of randomness."""
SMALLEST_PIECE = 128
"""Bytes of the smallest padded piece."""


def is_json(info: ValidationInfo) -> bool:
    """Tell whether a value comes from the wire rather than from our own code."""
    return info.mode == "json"


def _hex_of_integers(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - the raw side is anything at all
    if not is_json(info):
        return value
    if not isinstance(value, list) or len(value) != LENGTH or not all(_is_byte(item) for item in value):
        msg = "expected an array of 32 integers from 0 to 255"
        raise ValueError(msg)
    return bytes(value).hex()


def _is_byte(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 1 << 8


def _integers_of_hex(value: str) -> list[int]:
    return list(bytes.fromhex(value))


Bytes32 = Annotated[
    Hex32,
    BeforeValidator(_hex_of_integers),
    PlainSerializer(_integers_of_hex, when_used="json"),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 255},
            "minItems": LENGTH,
            "maxItems": LENGTH,
        }
    ),
]
"""A commitment: an array of 32 integers."""


def decode_base64(text: object) -> bytes:
    """Return the bytes of standard base64. Raises ValueError for anything else."""
    if not isinstance(text, str):
        msg = "expected a string of base64"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns a ValueError into its own, and lets a TypeError through
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, UnicodeError, ValueError) as error:
        msg = f"expected standard base64: {error}"
        raise ValueError(msg) from None


def _hex_of_base64(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - the raw side is anything at all
    if not is_json(info):
        return value
    raw = decode_base64(value)
    if len(raw) != LENGTH:
        msg = f"expected base64 of {LENGTH} bytes, got {len(raw)} bytes"
        raise ValueError(msg)
    return raw.hex()


def _base64_of_hex(value: str) -> str:
    return base64.b64encode(bytes.fromhex(value)).decode()


Random32 = Annotated[
    Hex32,
    BeforeValidator(_hex_of_base64),
    PlainSerializer(_base64_of_hex, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"}),
]
"""Randomness: base64 of 32 bytes."""


def _some_base64(value: str) -> str:
    if not decode_base64(value):
        msg = "expected some bytes, got none"
        raise ValueError(msg)
    return value


Payload = Annotated[
    Base64,
    AfterValidator(_some_base64),
    WithJsonSchema({"type": "string", "pattern": "^([A-Za-z0-9+/]{4})+$"}),
]
"""Bytes of any length but none, base64 on both sides."""


def _known_proof_type(value: int) -> int:
    return seal_proof(value).number


ProofType = Annotated[
    int,
    AfterValidator(_known_proof_type),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": NON_INTERACTIVE - 1}),
]
"""A seal proof type that this product can make."""


def _padded(value: int) -> int:
    if value < SMALLEST_PIECE or value & (value - 1):
        msg = f"expected a power of two of at least {SMALLEST_PIECE}"
        raise ValueError(msg)
    return value


PaddedSize = Annotated[
    int,
    Field(lt=2**63),
    AfterValidator(_padded),
    WithJsonSchema({"type": "integer", "enum": [1 << power for power in range(7, 63)]}),
]
"""A padded piece's size in bytes."""

Epoch = Annotated[int, Field(ge=0, lt=2**63)]
"""A chain epoch."""


def one_of(kind: type[Code]) -> Callable[[object], Code]:
    """Return a check that takes the integers of an enum and nothing else: pydantic's own takes true for 1."""
    right = ", ".join(f"{code.value} {code.name}" for code in kind)

    def check(value: object) -> Code:
        if isinstance(value, bool) or not isinstance(value, int) or value not in set(kind):
            msg = f"expected one of {right}"
            raise ValueError(msg)
        return kind(value)

    return check


def codes_of(kind: type[Code]) -> WithJsonSchema:
    """Return how a schema describes the integers of an enum."""
    return WithJsonSchema({"type": "integer", "enum": [code.value for code in kind]})


def _zero_if_null(value: Any) -> Any:  # noqa: ANN401 - the raw side is anything at all
    return 0 if value is None else value


def _no_if_null(value: Any) -> Any:  # noqa: ANN401 - the raw side is anything at all
    return False if value is None else value


def _blank_if_null(value: Any) -> Any:  # noqa: ANN401 - the raw side is anything at all
    return "" if value is None else value


Count = Annotated[int, Field(ge=0, lt=2**64)]
"""An unsigned integer of 64 bits."""
Flag = Annotated[bool, BeforeValidator(_no_if_null)]
"""A boolean; null is false."""
Text = Annotated[str, BeforeValidator(_blank_if_null), AfterValidator(bounded)]
"""A text, cut where it is longer than any that people read; null is empty."""
CountOrNull = Annotated[Count, BeforeValidator(_zero_if_null)]
"""An unsigned integer of 64 bits; null is 0."""
