"""Older names of keys: what stands under one is put under the newer, and stays known by what was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sealing.config.problems import Finding, Key


@dataclass(frozen=True)
class Older:
    """An older name, and the newer. One value of ``entry`` becomes one more in the newer's list."""

    old: Key
    new: Key
    entry: bool = False


OLDER = (
    Older(("sealing_daemons",), ("sealing_thread",)),
    Older(("ScanPersistStores",), ("worker", "scan_persist_stores")),
    Older(("worker", "ScanPersistStores"), ("worker", "scan_persist_stores")),
    Older(("worker", "local_pieces_dir"), ("worker", "local_pieces_dirs"), entry=True),
    Older(("remote_store",), ("attached",), entry=True),
    Older(("processors", "limit"), ("processors", "limitation", "concurrent")),
)
BESIDE = ("remote_store",)
"""The older name that counts beside the newer; the others are ignored where the newer is there too."""


@dataclass
class Renamed:
    """A parsed file under the newer names."""

    raw: dict[str, Any]
    ignored: list[Finding] = field(default_factory=list)
    _moved: list[tuple[Key, Key]] = field(default_factory=list)

    def as_written(self, key: Key) -> Key:
        """Return the key by the name that stands in the file."""
        for new, old in self._moved:
            if key[: len(new)] == new:
                return old + key[len(new) :]
        return key

    def move(self, name: Older) -> None:
        """Put what stands under an older name under the newer, if it is there."""
        holder, last = _table(self.raw, name.old[:-1]), str(name.old[-1])
        if holder is None or last not in holder:
            return
        value = holder.pop(last)
        target, new = _table(self.raw, name.new[:-1], make=True), str(name.new[-1])
        if target is None:
            return  # what should be a table is none: that is a problem of its own
        if new in target and last not in BESIDE:
            self.ignored.append(Finding(name.old, value, f"ignored: {new}, its newer name, is there too"))
            return
        if not name.entry:
            target[new] = value
            self._moved.append((name.new, name.old))
        elif isinstance(entries := target.setdefault(new, []), list):
            entries.append(value)
            self._moved.append(((*name.new, len(entries) - 1), name.old))


def renamed(raw: dict[str, Any]) -> Renamed:
    """Put a parsed file under the newer names; ``raw`` itself is changed."""
    result = Renamed(raw)
    for name in OLDER:
        result.move(name)
    return result


def older_in(key: Key) -> tuple[str, ...]:
    """Return the older names that the table at ``key`` knows."""
    return tuple(str(name.old[-1]) for name in OLDER if name.old[:-1] == key)


def _table(raw: dict[str, Any], key: Key, *, make: bool = False) -> dict[str, Any] | None:
    """Return the table at ``key``; none where it is not there, unless it is to be made, or is no table."""
    table = raw
    for part in map(str, key):
        inner = table.setdefault(part, {}) if make else table.get(part)
        if not isinstance(inner, dict):
            return None
        table = inner
    return table
