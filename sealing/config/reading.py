"""From a file to a Config, or to every problem in it at once."""

from __future__ import annotations

import copy
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sealing.config.fields import SHARED_STAGES, UNKNOWN_STAGE
from sealing.config.keys import idle_keys, known_in, suggestion
from sealing.config.model import Config, Contents
from sealing.config.places import Finding, Key, check_places
from sealing.failures import bounded

VALUE_LIMIT = 100
"""Characters of a wrong value that are shown."""

SECRETS = {"piece_token", "headers"}
"""Keys whose values are never shown."""

_RIGHT = {
    "missing": "is needed; add it",
    "string_type": "write text in quotes",
    "string_too_short": "write at least one character",
    "int_type": "write a whole number",
    "bool_type": "write true or false",
    "tuple_type": "write a list",
    "dict_type": "write a table",
    "model_type": "write a table",
    "too_short": "write at least one",
    "greater_than_equal": "write a number of at least {ge}",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write a number of at most {le}",
    "literal_error": "write {expected}",
    "value_error": "{error}",
}

_NEEDED = {
    "sealing_thread": "add a [[sealing_thread]] with the location of its folder",
    "sector_manager": 'add [sector_manager] with rpc_client.addr, such as "/ip4/127.0.0.1/tcp/1789"',
}
"""What to add for a table that is not there."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the file, the key's path, its value as text ("" for none), and what would be right."""

    file: Path
    key: str
    value: str
    right: str

    def __str__(self) -> str:
        """Return one line."""
        shown = f" = {self.value}" if self.value else ""
        return f"{self.key}{shown}: {self.right}" if self.key else self.right


class ConfigError(Exception):
    """A configuration that is wrong, with all its problems."""

    def __init__(self, file: Path, problems: tuple[Problem, ...]) -> None:
        """Keep the problems; the text has a line for each."""
        self.file = file
        self.problems = problems
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"the configuration {file} is wrong:{lines}")


def load(path: str | Path, *, places: bool = True) -> Config:
    """Return the configuration in the TOML file at ``path``, its folders checked unless ``places`` is false.

    Raises ConfigError with every problem that there is. An unknown key is none: it becomes a warning.
    """
    file = Path(path)
    raw = _parse(file)
    known, warnings = _without_unknown(raw)
    contents, findings = _validate(known)
    findings += check_places(known) if places else []
    if findings or contents is None:
        raise ConfigError(file, tuple(_problem(file, finding) for finding in findings))
    values = {name: getattr(contents, name) for name in Contents.model_fields}
    notes = (*warnings, *(f"{key}: known, but without effect in this version" for key in idle_keys(known)))
    return Config.model_construct(**values, file=file, warnings=notes)


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        right = f"cannot be read: {error.strerror}; correct the path given with -c"
    except UnicodeDecodeError as error:
        right = f"is not UTF-8 text at byte {error.start}; save it as UTF-8"
    except ValueError as error:  # TOMLDecodeError, and a number too long to be read
        right = f"is not valid TOML: {error}"
    raise ConfigError(file, (Problem(file, "", "", right),))


def _validate(raw: dict[str, Any]) -> tuple[Contents | None, list[Finding]]:
    """Return the models, or what is wrong. Strict validation takes lists and paths from JSON only, hence the detour."""
    try:
        contents = Contents.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        found = [_finding(detail) for detail in error.errors() if not _is_echo(detail)]
        return None, [*_missing(raw), *found]
    return contents, _missing(raw)


def _missing(raw: dict[str, Any]) -> list[Finding]:
    """Return which tables are missing. A machine that only proves for others needs neither thread nor manager."""
    processors = raw.get("processors")
    has_thread = bool(raw.get("sealing_thread"))
    if not has_thread and isinstance(processors, dict) and any(processors.get(stage) for stage in SHARED_STAGES):
        return []
    there = {"sector_manager": "sector_manager" in raw, "sealing_thread": has_thread}
    return [Finding((name,), None, _NEEDED[name]) for name, is_there in there.items() if not is_there]


def _is_echo(detail: ErrorDetails) -> bool:
    """Tell whether an error only follows from others: a default that needs a wrong field, a list of wrong entries."""
    return detail["type"] == "default_factory_not_called" or (detail["type"] == "too_short" and bool(detail["input"]))


def _finding(detail: ErrorDetails) -> Finding:
    key = tuple(part for part in detail["loc"] if part != "[key]")
    template = _RIGHT.get(detail["type"])
    right = template.format(**detail.get("ctx", {})) if template else detail["msg"]
    return Finding(key, None if detail["type"] == "missing" else detail["input"], right)


def _without_unknown(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return ``raw`` without the keys that nobody knows, and a warning for each."""
    known, warnings = copy.deepcopy(raw), []
    try:
        Contents.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        for detail in error.errors():
            key, kind = detail["loc"], detail["type"]
            if kind in {"extra_forbidden", UNKNOWN_STAGE}:
                key = tuple(part for part in key if part != "[key]")
                _remove(known, key)
                warnings.append(f"{dotted(key)}: unknown key, ignored{suggestion(str(key[-1]), known_in(key[:-1]))}")
    return known, warnings


def _remove(raw: dict[str, Any], key: Key) -> None:
    table: Any = raw
    for part in key[:-1]:
        table = table[part]
    del table[key[-1]]


def _problem(file: Path, finding: Finding) -> Problem:
    if finding.value is None:
        value = ""
    elif SECRETS & set(finding.key):
        value = "(not shown)"
    else:
        value = bounded(json.dumps(finding.value, ensure_ascii=False, default=str), VALUE_LIMIT)
    return Problem(file, dotted(finding.key), value, finding.right)


def dotted(key: Key) -> str:
    """Return a key's path as people write it, such as ``sealing_thread[1].location``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")
