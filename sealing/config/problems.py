"""What is wrong with a configuration, and what in it deserves a look: where it stands, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sealing.values import Frozen

Key = tuple[str | int, ...]
"""A key's way through the tables and lists."""


class Finding(NamedTuple):
    """Something about a key: which, its value, and what would be right or why it has no effect."""

    key: Key
    value: object
    right: str


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the file, the key's path, its value as text ("" for none), and what would be right.

    ``line`` is counted from 1; none where the key is not there.
    """

    file: Path
    key: str
    value: str
    right: str
    line: int | None = None

    def __str__(self) -> str:
        """Return one line."""
        shown = f" = {self.value}" if self.value else ""
        return _at(self.line, f"{self.key}{shown}: {self.right}" if self.key else self.right)


class Note(Frozen):
    """A key that is ignored, or something else that deserves a look and does not keep the worker from starting."""

    key: str
    why: str
    line: int | None = None
    unknown: bool = False
    """Nobody knows the key."""

    def __str__(self) -> str:
        """Return one line."""
        return _at(self.line, f"{self.key}: {self.why}")


class ConfigError(Exception):
    """A configuration that is wrong, with all its problems."""

    def __init__(self, file: Path, problems: tuple[Problem, ...]) -> None:
        """Keep the problems; the text has a line for each."""
        self.file = file
        self.problems = problems
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"the configuration {file} is wrong:{lines}")


def dotted(key: Key) -> str:
    """Return a key's path as people write it, such as ``sealing_thread[1].location``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def _at(line: int | None, text: str) -> str:
    return text if line is None else f"line {line}: {text}"
