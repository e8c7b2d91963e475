"""The line of each key is found, however a file is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.config.lines import key_lines, line_of
from sealing.config.problems import Key

TEXT = '''\
# a comment with [brackets] and = signs
title = "a \\" # no comment" # a comment
"quoted key".'literal.key'   =   'x'

[worker] # [not this]
name = "a"
rpc_server.port = 1
long = """
[no] = table
x = ""1"" \\""" """
path = \'\'\'
[[nor]]
'it'\'\'\'\'
[[thread]]
location = "/a"
sealing.max = 1
[thread.more]
deep = { a = 1, b.c = [ 2, { d = 3 } ] }
[[thread]]
location = "/b"
list = [
  "one", # [
  # ]
  "two", [ 1,
  2],
]
[[thread.inner]]
x = 1979-05-27 07:32:00
[[thread.inner]]
x = 1.5e3
[a.b.c]
'''


def paths(value: object, key: Key = ()) -> Iterator[Key]:
    """Yield the path of all that tomllib has read."""
    if key:
        yield key
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in entries:
        yield from paths(inner, (*key, part))


def test_a_file_with_every_form() -> None:
    """Comments, strings of several lines, lists, dotted keys, tables in tables: each key stands on its line."""
    lines = key_lines(TEXT)
    assert set(lines) == set(paths(tomllib.loads(TEXT)))
    expected = {
        ("title",): 2,
        ("quoted key", "literal.key"): 3,
        ("worker",): 5,
        ("worker", "rpc_server", "port"): 7,
        ("worker", "long"): 8,
        ("worker", "path"): 11,
        ("thread", 0): 14,
        ("thread", 0, "sealing", "max"): 16,
        ("thread", 0, "more", "deep", "b", "c", 1, "d"): 18,
        ("thread", 1): 19,
        ("thread", 1, "list", 1): 24,
        ("thread", 1, "list", 2, 1): 25,
        ("thread", 1, "inner", 0, "x"): 28,
        ("thread", 1, "inner", 1, "x"): 30,
        ("a", "b", "c"): 31,
    }
    assert {key: lines[key] for key in expected} == expected


def test_a_key_that_is_not_there() -> None:
    """It has the line of the table that should hold it; one whose table is not there either has none."""
    lines = key_lines(TEXT)
    assert line_of(lines, ("thread", 1, "plan")) == 19
    assert line_of(lines, ("worker", "rpc_server", "host")) == 7
    assert line_of(lines, ("sector_manager",)) is None


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=4)
strings = st.text(st.sampled_from("ab\"'\\#[]{}=,.\n "), max_size=8)


def quoted(text: str) -> str:
    """Write a text as a basic string of one line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def several_lines(text: str) -> str:
    """Write a text as a basic string of several lines."""
    escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
    return f'"""\n{escaped.removesuffix(chr(34))}{chr(92) + chr(34) if escaped.endswith(chr(34)) else ""}"""'


@st.composite
def written(draw: st.DrawFn) -> str:
    """Draw a file: tables, lists of tables, and keys with values in every form."""

    def value(depth: int) -> str:
        kinds = ["1", "true", "1979-05-27 07:32:00", "string", "string", "several"]
        kind = draw(st.sampled_from([*kinds, "list", "table"] if depth else kinds))
        space = draw(st.sampled_from(["", " ", "\n", " # ] }\n"]))
        if kind == "list":
            return (
                f"[{space}"
                + "".join(f"{value(depth - 1)}{space},{space}" for _ in range(draw(st.integers(0, 3))))
                + "]"
            )
        if kind == "table":
            pairs = (f"{quoted(name)}.x = {value(depth - 1)}" for name in draw(st.sets(names, max_size=3)))
            return "{ " + ", ".join(pairs) + " }"
        if kind in {"string", "several"}:
            text = draw(strings)
            return quoted(text) if kind == "string" else several_lines(text)
        return kind

    parts = []
    for table in draw(st.lists(names, max_size=4, unique=True)):
        heads = draw(
            st.sampled_from([[f"[{quoted(table)}]"], [f"[[ {quoted(table)} ]]"] * 2, [f"[{quoted(table)}.x.'y']"]])
        )
        for head in heads:
            parts.append(head + draw(st.sampled_from(["", " # [x]"])))
            parts += [f"{quoted(name)} = {value(2)}" for name in draw(st.lists(names, max_size=3, unique=True))]
    return "\n".join(parts)


@given(written())
def test_any_file(text: str) -> None:
    """What is found is what tomllib reads, and each key's line holds its name."""
    lines = key_lines(text)
    assert set(lines) == set(paths(tomllib.loads(text)))
    rows = text.split("\n")
    for key, line in lines.items():
        if isinstance(key[-1], str) and key[-1] not in {"x", "y"}:
            assert quoted(key[-1]) in rows[line - 1]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "a=1", "[a]", "[[a]]"])
def test_the_smallest_files(text: str) -> None:
    """They are no exception."""
    assert set(key_lines(text)) == set(paths(tomllib.loads(text)))
