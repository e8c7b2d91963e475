"""Stores that are found by patterns: each folder with a ``sectorstore.json``, as the manager finds them too."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealing import foreign
from sealing.config.stores import Attached
from sealing.stores.layout import STORE_MARK


@dataclass
class Scan:
    """What patterns have found: stores, and for each pattern (by its position) what is wrong or deserves a look."""

    stores: list[Attached] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)


def scan(patterns: Sequence[str], attached: Sequence[Attached]) -> Scan:
    """Look for stores. A folder that is attached already is not found again."""
    found = Scan()
    known = {os.path.realpath(store.location) for store in attached}
    names = {store.name: store.location for store in attached}
    for index, folder in _folders(patterns, found):
        if (real := os.path.realpath(folder)) in known:
            continue
        known.add(real)
        try:
            store = described(folder)
        except ValueError as error:
            found.wrong.append((index, str(error)))
            continue
        if store is None:
            found.notes.append((index, f"{folder} is not attached: it has no {STORE_MARK}"))
        elif (other := names.setdefault(store.name, folder)) != folder:
            found.wrong.append((index, f"{folder} and {other} are both named {store.name}; give each store its own"))
        else:
            found.stores.append(store)
    return found


def _folders(patterns: Sequence[str], found: Scan) -> Iterator[tuple[int, Path]]:
    for index, pattern in enumerate(patterns):
        folders = _matching(pattern)
        if not folders:
            found.notes.append((index, "matches no folder; mount the stores, or correct the pattern"))
        yield from ((index, folder) for folder in folders)


def _matching(pattern: str) -> list[Path]:
    """Return the folders that a pattern matches; of what cannot be looked at, none."""
    try:
        paths = glob.glob(os.path.abspath(os.path.expanduser(pattern)))  # noqa: PTH100, PTH111, PTH207 - never raises
    except ValueError:  # a character that no path can have
        return []
    return [Path(path) for path in sorted(paths) if os.path.isdir(path)]  # noqa: PTH112 - as above


def described(folder: Path) -> Attached | None:
    """Return the store that a folder says it is; None where it says nothing. Raises ValueError that says what to do."""
    path = folder / STORE_MARK
    try:
        value: Any = json.loads(foreign.read(path, foreign.DOCUMENT_LIMIT).decode())
    except FileNotFoundError:
        return None
    except foreign.TooLargeError as error:
        raise ValueError(f"{error}; is it the store's own?") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); let this user read it") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); correct it") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no object; correct it")  # noqa: TRY004 - the caller collects ValueError
    name, readonly = value.get("Name") or value.get("ID") or str(folder), value.get("ReadOnly", False)
    if not isinstance(name, str) or not isinstance(readonly, bool):
        why = f"{path}: Name and ID must be text, ReadOnly true or false; correct it"
        raise ValueError(why)  # noqa: TRY004 - as above
    return Attached(location=folder, name=name, readonly=readonly)
