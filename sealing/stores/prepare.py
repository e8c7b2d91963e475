"""Prepares the folders that a worker is given: a thread's location, a permanent store. Repeatable; removes nothing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from pathlib import Path

from sealing.config.scanned import described
from sealing.stores import durable, incumbent
from sealing.stores.layout import HOLDER, HOT_CONFIG, INCUMBENT_DATABASE, QUARANTINE, STORE_MARK

LOCATION_FOLDERS = tuple(f"data/{name}" for name in incumbent.HOLDS)
STORE_FOLDERS = ("sealed", "cache", "update", "update-cache")
FILE_SYSTEM_S = ("lost+found", ".snapshot", ".snapshots")
"""What a file system itself has in its uppermost folder."""
SHOWN = 3

HOT_EXAMPLE = """\
# Read before each task of this thread; what is set here counts over the worker's own file.
# plan = "snapup"
# sealing.allowed_miners = [1000]
# sealing.enable_deals = true
# sealing.max_retries = 5
"""


class UnfitError(Exception):
    """The folder cannot be prepared; the text says why and what to do."""


def prepare_location(folder: Path, *, hot: bool = False) -> list[Path]:
    """Prepare a thread's location and return what was made; ``hot`` adds an example of a hot configuration.

    Raises UnfitError, and OSError where the system refuses.
    """
    _refuse_others(folder, ("data", HOLDER, HOT_CONFIG, INCUMBENT_DATABASE, QUARANTINE))
    if unfinished := incumbent.unfinished(folder):
        raise UnfitError(f"{folder} {unfinished}")
    made = _folders(folder, LOCATION_FOLDERS)
    made += _file(folder / HOLDER, "")
    return made + (_file(folder / HOT_CONFIG, HOT_EXAMPLE) if hot else [])


def prepare_store(folder: Path, name: str | None, *, readonly: bool = False) -> tuple[str, list[Path]]:
    """Prepare a permanent store and return its name, by default its path, and what was made.

    Raises UnfitError, also for a store that says that it is another one, and OSError where the system refuses.
    """
    _refuse_others(folder, (*STORE_FOLDERS, "unsealed", STORE_MARK))
    try:
        known = described(folder)
    except ValueError as error:
        raise UnfitError(str(error)) from None
    if known is not None and name not in {None, known.name}:
        raise UnfitError(f"{folder / STORE_MARK} says that its name is {known.name}; give that name, or none")
    if known is not None and readonly is not known.readonly:
        raise UnfitError(f"{folder / STORE_MARK} says that ReadOnly is {json.dumps(known.readonly)}; change it there")
    chosen = known.name if known else name or str(folder)
    description = {"ID": str(uuid.uuid4()), "Name": chosen, "ReadOnly": readonly}
    made = _folders(folder, STORE_FOLDERS)
    return chosen, made + _file(folder / STORE_MARK, json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def _refuse_others(folder: Path, ours: Iterable[str]) -> None:
    """Raise UnfitError where a folder holds what belongs to somebody else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UnfitError(f"{folder} is not a folder; name a folder")
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in {*ours, *FILE_SYSTEM_S})
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        raise UnfitError(f"{folder} holds something else ({', '.join(others[:SHOWN])}{more}); name an empty folder")


def _folders(folder: Path, names: Iterable[str]) -> list[Path]:
    missing = [folder / name for name in names if not (folder / name).is_dir()]
    for path in missing:
        path.mkdir(parents=True, exist_ok=True)
    return missing


def _file(path: Path, content: str) -> list[Path]:
    if path.exists():
        return []
    durable.write(path, content.encode())
    return [path]
