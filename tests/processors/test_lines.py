"""The lines of the protocol, whatever is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.processors.lines import Answer, BrokenLineError, LineReader, read_answer


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_come_out_whole(lines: list[bytes], data: st.DataObject) -> None:
    """However the lines are cut into chunks, they come out as they were written."""
    rest, reader = b"".join(line + b"\n" for line in lines), LineReader()
    found: list[bytes] = []
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += reader.feed(rest[:size])
        rest = rest[size:]
    assert found == lines


def test_a_line_at_the_limit() -> None:
    """A line as long as is allowed is read, one byte more is refused before its end has come."""
    reader = LineReader(4)
    assert list(reader.feed(b"abcd\nab")) == [b"abcd"]
    assert list(reader.feed(b"cd\n")) == [b"abcd"]
    with pytest.raises(BrokenLineError, match="more than 4 bytes, which begins with 'abcde'"):
        list(reader.feed(b"abcde"))


@pytest.mark.parametrize("line", ["", "Loading ...", "[1]", "7", "null", '{"level": "info"}', '{"id": "span"}', "{"])
def test_no_answer(line: str) -> None:
    """What a library prints is not taken for an answer."""
    assert read_answer(line.encode()) is None


@pytest.mark.parametrize("line", ['{"id": 1', '7, "output": true}', '{"output": 1}', '{"id": true, "err_msg": null}'])
def test_a_broken_answer(line: str) -> None:
    """What is meant as an answer, and is none, is known: its task would wait for ever."""
    with pytest.raises(BrokenLineError):
        read_answer(line.encode())


@given(st.integers(), st.none() | st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_an_answer(number: int, message: str | None, output: object) -> None:
    """An answer is read as it was written, whole numbers of any length too."""
    line = json.dumps({"id": number, "err_msg": message, "output": output}).encode()
    assert read_answer(line) == Answer(number, {"err_msg": message, "output": output})
