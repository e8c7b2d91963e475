"""The embedded manager's books, read for ``sealflow devnet``; whether or not it runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sealing.devnet.config import DevnetConfig
from sealing.devnet.queries import Observer
from sealing.values import Frozen
from workers.embedded import EmbeddedError, read_config
from workers.operate.running import fail

R = TypeVar("R")


def devnet_config(file: Path) -> DevnetConfig:
    """Return the configuration in a file; a wrong one ends the program, with the reason."""
    try:
        return read_config(file)
    except EmbeddedError as error:
        fail(str(error))


def observer_of(file: Path) -> Observer:
    """Return what reads the books."""
    return Observer(devnet_config(file).data)


def read_book(file: Path, ask: Callable[[], R]) -> R:
    """Return what ``ask`` reads; books that are not there end the program, with what to do."""
    try:
        return ask()
    except sqlite3.Error as error:
        data = devnet_config(file).data
        fail(f"there is nothing to read in {data} ({error}): run `sealflow devnet -c {file} run` first")


def as_row(record: Frozen) -> dict[str, object]:
    """Return a record as JSON values."""
    return record.model_dump(mode="json")
