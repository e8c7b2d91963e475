"""From a file to the values that stand in it, and the line of each."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealing import foreign
from sealing.config.lines import key_lines, line_of
from sealing.config.older import Renamed, renamed
from sealing.config.problems import ConfigError, Finding, Key, Note, Problem, dotted
from sealing.failures import bounded

VALUE_LIMIT = 100
"""Characters of a wrong value that are shown."""
SECRETS = {"piece_token", "headers", "envs"}
"""Keys whose values are never shown."""
DEPTH = 30
"""Tables and lists in each other that are read; no right file has half as many."""
NUMBER_BITS = 64

LONGEST_KEY = 100
"""Parts of a key, between dots, that tomllib is given: the time that it takes for one grows with their square."""
_LONG_KEY = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*"|'[^'\n]*')[ \t]*+\.[ \t]*+){{{LONGEST_KEY}}}""")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True)
class Source:
    """A file's values under the newer names of their keys."""

    file: Path
    values: Renamed
    lines: dict[Key, int]

    @property
    def raw(self) -> dict[str, Any]:
        """The values, as tomllib gives them."""
        return self.values.raw

    def problem(self, finding: Finding) -> Problem:
        """Return what is wrong with the name and the line that stand in the file."""
        key = self.values.as_written(finding.key)
        return Problem(self.file, dotted(key), _shown(finding), finding.right, line_of(self.lines, key))

    def note(self, finding: Finding) -> Note:
        """Return what deserves a look in the same way."""
        key = self.values.as_written(finding.key)
        return Note(key=dotted(key), why=finding.right, line=line_of(self.lines, key))

    def unknown(self, finding: Finding) -> Note:
        """Return that nobody knows a key."""
        why = f"unknown key, ignored{finding.right}"
        return self.note(finding).model_copy(update={"unknown": True, "why": why})

    def refused_unknown(self, finding: Finding) -> Problem:
        """Return the same where all is to be right."""
        return self.problem(finding._replace(right=f"unknown key{finding.right or '; remove it'}"))


def parse(file: Path) -> Source:
    """Read a file. Raises ConfigError for one that cannot be read or is not TOML."""
    text = _text(file)
    if found := _LONG_KEY.search(text):
        raise _refused(file, _TOO_DEEP, text.count("\n", 0, found.start()) + 1)
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raise _refused(file, _TOO_DEEP) from None
    except ValueError as error:  # TOMLDecodeError, and a number too long to be read
        place = _PLACE.search(str(error))
        why = _PLACE.sub(r"(column \2)", str(error))
        raise _refused(file, f"is not valid TOML: {why}", int(place[1]) if place else None) from None
    _check_bounds(file, raw)
    return Source(file, renamed(raw), key_lines(text))


_TOO_DEEP = f"holds more than {DEPTH} lists and tables in each other; write what docs/config.md names"


def _text(file: Path) -> str:
    try:
        # Also from a pipe: what holds secrets is decrypted on its way.
        data = foreign.read(file, foreign.DOCUMENT_LIMIT, pipes=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(file, f"cannot be read: {why}; correct the path") from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refused(file, f"is not UTF-8 text at byte {error.start}; save it as UTF-8", line) from None


def _check_bounds(file: Path, raw: dict[str, Any]) -> None:
    """Refuse what no right file holds, so that nothing after this need care. Raises ConfigError."""
    level: list[object] = [raw]
    for _ in range(DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, int) and value.bit_length() > NUMBER_BITS:
                raise _refused(file, f"holds a number of more than {NUMBER_BITS} bits; write a smaller one")
        level = inner
    if level:
        raise _refused(file, _TOO_DEEP)


def _refused(file: Path, right: str, line: int | None = None) -> ConfigError:
    return ConfigError(file, (Problem(file, "", "", right, line),))


def _shown(finding: Finding) -> str:
    if finding.value is None:
        return ""
    if SECRETS & set(finding.key):
        return "(not shown)"
    return bounded(json.dumps(finding.value, ensure_ascii=False, default=str), VALUE_LIMIT)
