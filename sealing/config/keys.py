"""The names of keys: which a table knows, which is meant by a misspelt one, which have no effect yet."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from sealing.config.model import Contents, Stage, Table

WITHOUT_EFFECT = (
    "worker.rpc_server",
    "worker.local_pieces_dir",
    "worker.local_pieces_dirs",
    "worker.scan_persist_stores",
    "worker.ping_interval",
    "attached_selection",
    "processors.limitation.staggered",
    "processors.ext_locks",
    "processors.static_tree_d",
    *(
        f"processors.{stage}.{name}"
        for stage in get_args(Stage)
        for name in ("inherit_envs", "numa_preferred", "cgroup", "concurrent", "locks", "auto_restart", "stable_wait")
    ),
    "remote_store",
    "sealing_daemons",
    "ScanPersistStores",
)
"""Keys, by their paths, that are known but do nothing yet: whoever sets one is told."""


def known_in(key: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the names that the table at ``key`` knows."""
    kind: object = Contents
    for part in key:
        if isinstance(part, str) and isinstance(kind, type) and issubclass(kind, Table):
            kind = _inner(kind.model_fields[part].annotation)
    if isinstance(kind, type) and issubclass(kind, Table):
        return tuple(kind.model_fields)
    return tuple(str(name) for name in get_args(kind))


def _inner(kind: object) -> object:
    """Return the table, or the names, that a field's annotation is about."""
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Literal or (isinstance(part, type) and issubclass(part, Table)):
            return part
    return kind


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
