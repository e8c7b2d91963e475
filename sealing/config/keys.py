"""The names of keys: which a table knows, which is meant by a misspelt one, which have no effect yet."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, TypeGuard, get_args

from sealing.config.fields import STAGES
from sealing.config.model import Contents, Table

WITHOUT_EFFECT = (
    "worker.scan_persist_stores",
    *(
        f"processors.{stage}.{name}"
        for stage in STAGES
        for name in ("numa_preferred", "cgroup", "auto_restart", "stable_wait")
    ),
    "remote_store",
    "sealing_daemons",
    "ScanPersistStores",
)
"""Keys, by their paths, that are known but do nothing yet: whoever sets one is told."""


def known_in(key: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the names that the table at ``key`` knows; where the names are free, those of the stages."""
    table: type[Table] = Contents
    for part in key:
        if isinstance(part, int):
            continue
        annotation = table.model_fields[part].annotation
        inner = [kind for kind in (annotation, *get_args(annotation)) if _is_table(kind)]
        if not inner:
            return STAGES
        table = inner[0]
    return tuple(table.model_fields)


def _is_table(kind: object) -> TypeGuard[type[Table]]:
    return isinstance(kind, type) and issubclass(kind, Table)


def suggestion(name: str, known: tuple[str, ...]) -> str:
    """Return which known name may have been meant, as the end of a sentence, or nothing."""
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def idle_keys(raw: dict[str, Any]) -> list[str]:
    """Return the paths of the keys in ``raw`` that have no effect yet, each once."""
    return [path for path in dict.fromkeys(_paths(raw, "")) if path in WITHOUT_EFFECT]


def _paths(value: object, path: str) -> Iterator[str]:
    """Yield the path of every key, without the positions in lists."""
    if isinstance(value, dict):
        for name, inner in value.items():
            below = f"{path}.{name}" if path else name
            yield below
            yield from _paths(inner, below)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, path)
