"""From a file to a Config, or to every problem in it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sealing.config.keys import idle_keys
from sealing.config.model import Config, Contents
from sealing.config.parsing import parse
from sealing.config.places import check_needs, check_places, look_around
from sealing.config.problems import ConfigError, Note, Problem
from sealing.config.validating import validated

About = TypeVar("About", Problem, Note)


@dataclass(frozen=True)
class Reading:
    """What a file says: a configuration, what is wrong, and what deserves a look."""

    config: Config | None
    """None where a value is wrong; it is there where only what the file names is, such as a folder."""
    problems: tuple[Problem, ...]
    notes: tuple[Note, ...]


def load(path: str | Path, *, places: bool = True, strict: bool = False) -> Config:
    """Return the configuration in the TOML file at ``path``, its folders checked unless ``places`` is false.

    Raises ConfigError with every problem that there is. An unknown key is one only where it is ``strict``.
    """
    reading = read(path, places=places, strict=strict)
    if reading.config is None or reading.problems:
        raise ConfigError(Path(path), reading.problems)
    return reading.config


def read(path: str | Path, *, places: bool = True, strict: bool = False) -> Reading:
    """Read the TOML file at ``path``: all that is wrong and all that deserves a look, in the order of the lines."""
    file = Path(path)
    try:
        source = parse(file)
    except ConfigError as error:
        return Reading(None, error.problems, ())
    found = validated(Contents, source.raw)
    wrong = [*found.wrong, *check_needs(found.raw), *(check_places(found.raw) if places else [])]
    problems = [source.problem(finding) for finding in wrong]
    problems += map(source.refused_unknown, found.unknown if strict else ())
    notes = _in_order(
        [
            *map(source.unknown, () if strict else found.unknown),
            *map(source.note, source.values.ignored),
            *map(source.note, idle_keys(found.raw)),
            *map(source.note, look_around(found.raw) if places else ()),
        ]
    )
    config = None if found.model is None else _config(found.model, file, notes)
    return Reading(config, _in_order(problems), notes)


def _config(contents: Contents, file: Path, notes: tuple[Note, ...]) -> Config:
    values = {name: getattr(contents, name) for name in Contents.model_fields}
    return Config.model_construct(**values, file=file, notes=notes)


def _in_order(found: Sequence[About]) -> tuple[About, ...]:
    """Return what was found in the order of the lines; what has none, for it is missing, comes last."""
    return tuple(sorted(found, key=lambda each: (each.line is None, each.line or 0)))
