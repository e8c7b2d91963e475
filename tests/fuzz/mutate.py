"""Makes a new input of old ones: bytes are changed, words put in, and where there is JSON its values are exchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.fuzz.target import LIMIT

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400, -(2**63) - 1, 0.5,
    1e308, float("nan"), float("inf"), "", " ", "0", "null", "\0", "\ud800", "\U0010ffff", "../../etc/passwd",
    "a" * 5000,
    "=", [], {}, [[]], [{}], {"": None}, [0] * 32, [255] * 32, [256] * 32, [[0]] * 32, ["0"] * 32, [0] * 5000,
)  # fmt: skip
REPEATS = (2, 10, 100, 1000, 10_000, 60_000)
DEEP = (2, 30, 150, 250, 1000, 5000)


def mutated(data: bytes, others: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """Return an input that was made of ``data``, now and then with a part of another."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        way = random.choice(_WAYS)
        data = way(data, others, words, random)[:LIMIT]
    return data


def _flip(data: bytes, _: Sequence[bytes], __: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return random.randbytes(1)
    at = random.randrange(len(data))
    return (
        data[:at]
        + bytes([random.choice((data[at] ^ 1 << random.randrange(8), random.randrange(256)))])
        + data[at + 1 :]
    )


def _cut(data: bytes, _: Sequence[bytes], __: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + data[end:]


def _keep(data: bytes, _: Sequence[bytes], __: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _repeat(data: bytes, _: Sequence[bytes], __: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(data, random)
    part = data[start : min(end, start + random.choice((1, 2, 8, 64)))]
    count = random.choice(REPEATS[: 3 + 3 * (random.random() < 0.05)])
    return data[:start] + part * count + data[start:]


def _insert(data: bytes, _: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + (random.choice(words) if words else random.randbytes(2)) + data[at:]


def _splice(data: bytes, others: Sequence[bytes], _: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others) if others else data
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _value(data: bytes, others: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """Exchange a value in JSON, which the whole input is, or what is behind its first line."""
    head, line, rest = data.partition(b"\n")
    for before, text in ((head + line, rest), (b"", data)):
        try:
            return before + json.dumps(_exchanged(json.loads(text), random)).encode()
        except (ValueError, RecursionError):  # no JSON, or too deep for Python's
            continue
    return _insert(data, others, words, random)


def _exchanged(value: Any, random: Random) -> Any:
    """Return ``value`` with one of its parts changed."""
    inside = isinstance(value, dict | list) and value and random.random() < 0.85
    if not inside:
        return _nested(value, random) if random.random() < 0.05 else random.choice(NASTY)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = random.choice(keys)
    changed = value.copy()
    match random.randrange(12):
        case 0:
            del changed[key]
        case 1 if isinstance(changed, dict):
            changed[str(random.choice(NASTY))[:20]] = changed.pop(key)
        case 2:
            changed[key] = value[random.choice(keys)]
        case _:
            changed[key] = _exchanged(value[key], random)
    return changed


def _nested(value: Any, random: Random) -> Any:
    as_list = random.random() < 0.5
    for _ in range(random.choice(DEEP[:4])):
        value = [value] if as_list else {"a": value}
    return value


def _deep(data: bytes, _: Sequence[bytes], __: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(data, random)
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"{a=", b"}")))
    count = random.choice(DEEP)
    return data[:start] + opening * count + data[start:end] + closing * count + data[end:]


def _span(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, random.randrange(start, len(data) + 1)


Way = Callable[[bytes, Sequence[bytes], Sequence[bytes], Random], bytes]
_WAYS: tuple[Way, ...] = (
    _flip, _flip, _cut, _keep, _repeat, _insert, _insert, _insert, _splice, _splice, _value, _value, _value,
    _value, _deep,
)  # fmt: skip
