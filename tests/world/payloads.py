"""What anybody may send as a signal: anything at all, in any encoding, in any number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from sealing.flow.state import State

T = TypeVar("T")

MEGABYTE = 1024 * 1024
DEEP = 10_000


@dataclass(frozen=True)
class Letter:
    """One signal: its name and the payloads that come with it, each its encoding and its bytes."""

    name: str
    parts: tuple[tuple[bytes | None, bytes], ...]

    @property
    def arguments(self) -> Sequence[RawValue]:
        """The payloads as the client takes them."""
        return [
            RawValue(Payload(metadata={} if encoding is None else {"encoding": encoding}, data=data))
            for encoding, data in self.parts
        ]


def json_of(value: object) -> bytes:
    """Return a value as JSON. Halves of characters are escaped, as other writers of JSON do."""
    return json.dumps(value).encode()


def drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Return so many examples, the same in each run: data to be sent in batches, not one test for each."""
    found: list[T] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(example: T) -> None:
        found.append(example)

    draw()
    return found


def letters(names: Sequence[str], words: Sequence[str]) -> st.SearchStrategy[Letter]:
    """Return letters under some names or a made-up one; ``words`` are texts that mean something to a sector."""
    name = st.one_of(st.sampled_from(names), st.sampled_from(names), _NAMES)
    return st.builds(Letter, name, st.lists(st.tuples(_ENCODINGS, _data(words)), max_size=3).map(tuple))


_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.sampled_from(["Resume", "resume ", "__temporal_signal", "__init__", "control", "status", "x" * 900]),
)

_ENCODINGS = st.one_of(
    st.just(b"json/plain"),
    st.sampled_from([None, b"", b"binary/null", b"binary/plain", b"json/protobuf", b"binary/protobuf", b"\xff\xfe"]),
    st.binary(max_size=20),
)

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=40),
    st.sampled_from([10**4000, "\ud800", "a|b\n`c`", "\x00", ""]),
)


def _data(words: Sequence[str]) -> st.SearchStrategy[bytes]:
    scalars = st.one_of(_SCALARS, st.sampled_from(words))
    any_json = st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.text(st.characters(), max_size=10), inner, max_size=4),
        ),
        max_leaves=12,
    )
    keys = st.sampled_from(["state", "reason", "force", "now", "command", "nonsense", "\udfff"])
    commands = st.dictionaries(keys, any_json, max_size=4)
    return st.one_of(any_json.map(json_of), commands.map(json_of), st.binary(max_size=200), st.just(b""))


def extremes(name: str) -> list[Letter]:
    """Return what generated letters seldom are: huge, deep, and many at once."""
    data = [
        json_of("x" * MEGABYTE),
        json_of({"reason": "x" * MEGABYTE}),
        b"\xff" * MEGABYTE,
        b"[" * DEEP + b"]" * DEEP,
        b'{"reason":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"state":' * DEEP + b"1" + b"}" * DEEP,
        *(b'{"state":' + b"[" * depth + b"]" * depth + b"}" for depth in range(150, 1000, 50)),
        b"9" * 20_000,
        b'{"reason":1e999,"force":NaN}',
    ]
    many = tuple((b"json/plain", json_of(state)) for state in State)
    return [*(Letter(name, ((b"json/plain", found),)) for found in data), Letter(name, many), Letter(name, many[:2])]
