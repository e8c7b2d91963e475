"""The names of keys: which a table knows, which is meant by a misspelt one, which have no effect and why."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, TypeGuard, get_args

from sealing.config.fields import STAGES
from sealing.config.older import older_in
from sealing.config.problems import Finding, Key
from sealing.config.tables import Table

_ASKS_ALWAYS = "a thread asks until there is a task, and a manager that is away is waited for"
_VERIFIES_LATER = "no stage verifies the replica after PC2; each proof is verified before it is sent"
_BY_ITSELF = "the worker copies files to the stores itself"
_NO_POST = "this worker does no PoSt; leave it to the other worker"
_NO_UNSEAL = "this worker does not unseal; leave it to the other worker"
_NO_STAGE = {"transfer": _BY_ITSELF, "unseal": _NO_UNSEAL, "window_post": _NO_POST, "winning_post": _NO_POST}

WITHOUT_EFFECT: dict[str, str] = {
    **{
        f"{table}.{key}": why
        for table in ("sealing", "sealing_thread.sealing")
        for key, why in (("request_task_max_retries", _ASKS_ALWAYS), ("verify_after_pc2", _VERIFIES_LATER))
    },
    **{f"processors.{stage}": why for stage, why in _NO_STAGE.items()},
    **{
        f"processors.{table}.{stage}": why
        for table in ("limitation.concurrent", "limitation.staggered", "time_limit")
        for stage, why in _NO_STAGE.items()
    },
    **{
        f"processors.{stage}.weight": "each task goes to a processor that is free"
        for stage in STAGES
        if stage not in _NO_STAGE
    },
}
"""Keys, by their paths, that are known but do nothing, and why: whoever sets one is told."""


def known_in(table: type[Table], key: Key) -> tuple[str, ...]:
    """Return the names that the table at ``key`` below ``table`` knows; where names are free, those of the stages."""
    for part in key:
        if isinstance(part, int):
            continue
        inner = inner_table(table, part)
        if inner is None:
            return STAGES
        table = inner
    return (*table.model_fields, *older_in(key))


def inner_table(table: type[Table], name: str) -> type[Table] | None:
    """Return the table that a key of ``table`` holds, alone or in a list; None for one that holds something else."""
    annotation = table.model_fields[name].annotation
    inner = [kind for kind in (annotation, *get_args(annotation)) if _is_table(kind)]
    return inner[0] if inner else None


def table_at(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the table that stands in a parsed file under these names; an empty one where there is none."""
    entry: object = raw
    for name in names:
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry if isinstance(entry, dict) else {}


def _is_table(kind: object) -> TypeGuard[type[Table]]:
    return isinstance(kind, type) and issubclass(kind, Table)


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """Return which known name may have been meant, as the end of a sentence, or nothing."""
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def idle_keys(raw: dict[str, Any]) -> list[Finding]:
    """Return the keys in ``raw`` that have no effect, with the reason; a list of tables is told once."""
    found: dict[str, Finding] = {}
    for key, value in _walk(raw, ()):
        path = ".".join(part for part in key if isinstance(part, str))
        if path in WITHOUT_EFFECT:
            found.setdefault(path, Finding(key, value, f"no effect: {WITHOUT_EFFECT[path]}"))
    return list(found.values())


def _walk(value: object, key: Key) -> Iterator[tuple[Key, object]]:
    """Yield every key below ``value`` with what it holds."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in entries:
        yield (*key, part), inner
        yield from _walk(inner, (*key, part))
