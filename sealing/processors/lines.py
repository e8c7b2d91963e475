"""The lines of the protocol: what is sent for a task, and what is read of an answer, however it comes.

In:  {"id": 7, "task": {…}}
Out: {"id": 7, "err_msg": null, "output": …}, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from sealing import foreign
from sealing.failures import bounded
from sealing.processors.tasks import StageTask

LINE_LIMIT = 64 << 20
"""Bytes of an answer at most, by a line or a file: the longest, C1's of 64 GiB, has some 20 MB."""
SHOWN = 200
"""Characters of a line that are shown."""
_FIELDS = (b'"id"', b'"err_msg"', b'"output"')
"""A line with one of these is meant as an answer."""


class BrokenLineError(Exception):
    """A line that is meant as an answer and is none: some task would wait for it for ever."""


@dataclass(frozen=True)
class Answer:
    """An answer to the task with this id; ``envelope`` is err_msg and output, as far as it has them."""

    id: int
    envelope: dict[str, Any]


class LineReader:
    """Puts lines together out of what is read, and never holds more than ``limit`` bytes and one chunk."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        """Begin with nothing."""
        self._held = bytearray()
        self._limit = limit

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that ``chunk`` completes. Raises BrokenLineError for one that is too long."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._hold(end)
            line = bytes(self._held)
            self._held.clear()
            yield line
        self._hold(rest)

    def _hold(self, part: bytes) -> None:
        if len(self._held) + len(part) > self._limit:
            start = bounded((bytes(self._held[:SHOWN]) + part[:SHOWN]).decode(errors="replace")[:SHOWN])
            raise BrokenLineError(f"wrote a line of more than {self._limit} bytes, which begins with {start!r}")
        self._held += part


def ready_line(stage: str) -> str:
    """Return what a processor says first."""
    return f"{stage} processor ready"


def shown(line: bytes) -> str:
    """Return a line as a text may show it."""
    return repr(bounded(line[: 4 * SHOWN].decode(errors="replace").strip(), SHOWN))


def read_answer(line: bytes) -> Answer | None:
    """Return the answer in a line, or None for one that is not meant as one, such as what a library prints.

    Raises BrokenLineError.
    """
    if not any(field in line for field in _FIELDS):
        return None
    try:
        value = from_json(line)
    except ValueError as error:
        raise BrokenLineError(f"wrote a broken answer, {shown(line)} ({error})") from None
    if not isinstance(value, dict):
        return None
    number, envelope = value.get("id"), {name: value[name] for name in ("err_msg", "output") if name in value}
    if not isinstance(number, int) or isinstance(number, bool):
        if not envelope:
            return None
        raise BrokenLineError(f"wrote an answer without the id of a task, {shown(line)}")
    return Answer(number, {"err_msg": None, **envelope} if envelope else {})


def request(task: StageTask[Any]) -> bytes:
    """Return the task as JSON on one line, with earlier stages' outputs in it whole: others know no references."""
    return to_json({name: _whole(value) for name, value in task.wire().items()})


def _whole(value: object) -> object:
    if isinstance(value, dict) and list(value) == ["$file"]:
        return from_json(foreign.read(Path(value["$file"]), LINE_LIMIT))["output"]
    return value
