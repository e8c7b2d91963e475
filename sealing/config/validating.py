"""From a file's values to a model, or to everything that is wrong with them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sealing.config.fields import UNKNOWN_STAGE
from sealing.config.keys import known_in, suggestion
from sealing.config.problems import Finding, Key
from sealing.config.tables import Table

T = TypeVar("T", bound=Table)

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


@dataclass
class Validated(Generic[T]):
    """A model of the values, or what is wrong; and the keys that nobody knows, which are left out.

    What is said of an unknown key is the end of a sentence: which one may have been meant.
    """

    model: T | None
    raw: dict[str, Any]
    wrong: list[Finding] = field(default_factory=list)
    unknown: list[Finding] = field(default_factory=list)


def validated(kind: type[T], raw: dict[str, Any]) -> Validated[T]:
    """Look at values as tomllib gives them, which must be of bounded depth."""
    known, unknown = _without_unknown(kind, raw)
    try:
        return Validated(_model(kind, known), known, [], unknown)
    except ValidationError as error:
        wrong = [_finding(detail) for detail in error.errors() if not _is_echo(detail)]
        return Validated(None, known, wrong, unknown)


def _model(kind: type[T], raw: dict[str, Any]) -> T:
    """Return the model. Strict validation takes lists and paths from JSON only, hence the detour."""
    return kind.model_validate_json(json.dumps(raw, default=str))


def _is_echo(detail: ErrorDetails) -> bool:
    """Tell whether an error only follows from another: a default that needs a field that is wrong."""
    return detail["type"] == "default_factory_not_called"


def _finding(detail: ErrorDetails) -> Finding:
    template = _RIGHT.get(detail["type"])
    right = template.format(**detail.get("ctx", {})) if template else detail["msg"]
    return Finding(_key(detail), None if detail["type"] == "missing" else detail["input"], right)


def _key(detail: ErrorDetails) -> Key:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _without_unknown(kind: type[Table], raw: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """Return ``raw`` without the keys that nobody knows, and what is said of each."""
    known, unknown = copy.deepcopy(raw), []
    try:
        _model(kind, raw)
    except ValidationError as error:
        for detail in error.errors():
            if detail["type"] in {"extra_forbidden", UNKNOWN_STAGE}:
                key = _key(detail)
                value = _remove(known, key)
                unknown.append(Finding(key, value, suggestion(str(key[-1]), known_in(kind, key[:-1]))))
    return known, unknown


def _remove(raw: dict[str, Any], key: Key) -> object:
    table: Any = raw
    for part in key[:-1]:
        table = table[part]
    return table.pop(key[-1])
