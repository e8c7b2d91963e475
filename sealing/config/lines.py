"""On which line of a TOML text each key stands. tomllib does not tell, nor does tomlkit.

The text must have been read by tomllib before: what is no TOML is not noticed here. Found are the first lines of
tables, keys and the entries of lists, by the same paths that tomllib's value has.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

from sealing.config.problems import Key

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRINGS = (r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', r"'''.*?'{3,5}(?!')", r'"(?:[^"\\\n]|\\.)*"', r"'[^'\n]*'")
"""The four forms; one of several lines may end in two quotes of its own."""
_STRING = re.compile("|".join(_STRINGS), re.DOTALL)
_PLAIN = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Key, int]:
    """Return the line of every key in ``text``, which tomllib takes, counted from 1."""
    return _Scanner(text).scan()


def line_of(lines: dict[Key, int], key: Key) -> int | None:
    """Return the line of a key, or of the innermost table around it that is there."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key)


class _Scanner:
    """Walks over a text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[Key, int] = {}
        self._last: dict[Key, int] = {}
        """Of each list of tables, the position of its last one."""

    def scan(self) -> dict[Key, int]:
        table: Key = ()
        while self._next_is_there():
            if self._take("[["):
                table = self._header(is_list=True)
            elif self._take("["):
                table = self._header(is_list=False)
            else:
                self._pair(table)
        return self._lines

    def _header(self, *, is_list: bool) -> Key:
        line, parts = self._line(), self._parts()
        self._take("]]" if is_list else "]")
        key: Key = ()
        for part in parts[:-1]:
            key = self._noted(self._inside((*key, part)), line)
        key = (*key, parts[-1])
        if is_list:
            self._noted(key, line)
            self._last[key] = self._last.get(key, -1) + 1
        return self._noted(self._inside(key), line)

    def _inside(self, key: Key) -> Key:
        """Return the key of the table that a header means by ``key``: of a list of tables the last one."""
        return (*key, self._last[key]) if key in self._last else key

    def _pair(self, table: Key) -> None:
        line, key = self._line(), table
        for part in self._parts():
            key = self._noted((*key, part), line)
        self._take("=")
        self._skip(_BLANK)
        self._value(key)

    def _value(self, key: Key) -> None:
        if self._take("["):
            self._list(key)
        elif self._take("{"):
            while self._next_is_there() and not self._take("}"):
                self._pair(key)
                self._skip(_BETWEEN)
                self._take(",")
        elif self._text[self._at] in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_PLAIN)

    def _list(self, key: Key) -> None:
        index = 0
        while self._next_is_there() and not self._take("]"):
            self._value(self._noted((*key, index), self._line()))
            self._skip(_BETWEEN)
            self._take(",")
            index += 1

    def _parts(self) -> list[str]:
        """Read a key, with its dots."""
        parts = [self._part()]
        while self._take("."):
            parts.append(self._part())
        return parts

    def _part(self) -> str:
        self._skip(_BLANK)
        quoted = self._text[self._at] in "\"'"
        found = self._skip(_STRING if quoted else _BARE)
        self._skip(_BLANK)
        return str(tomllib.loads(f"key = {found}")["key"]) if quoted else found

    def _noted(self, key: Key, line: int) -> Key:
        self._lines.setdefault(key, line)
        return key

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _next_is_there(self) -> bool:
        self._skip(_BETWEEN)
        return self._at < len(self._text)

    def _take(self, what: str) -> bool:
        is_there = self._text.startswith(what, self._at)
        self._at += len(what) if is_there else 0
        return is_there

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Go over what ``pattern`` matches here, and return it. Raises ValueError where it does not: no TOML."""
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"line {self._line()} is not TOML")
        self._at = found.end()
        return found[0]
