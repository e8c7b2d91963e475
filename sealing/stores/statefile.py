"""A sector's state file: what its task knows, beside its files, for the day on which Temporal does not know it.

Written by the steps on the sector's machine, so it may be some of the manager's steps behind; see docs/recovery.md for
why that is safe. Where Temporal and the file disagree, nobody but an operator decides between them.
"""

from __future__ import annotations

import shlex

from pydantic import ValidationError
from pydantic_core import from_json

from sealing import foreign
from sealing.failures import bounded
from sealing.sector import SectorInput
from sealing.stores import durable
from sealing.stores.layout import SectorFiles
from sealing.values import Frozen

VERSION = 1
"""Changed when a worker of before could not go on from a file, or would go on wrongly. Keys may come at any time."""
LIMIT = 4 << 20
"""Bytes of a file that are read: what is in it went to Temporal as well, which takes 2 MB."""
REASON_LIMIT = 300
"""Characters of the reason why a file cannot be read."""


class StateFile(Frozen):
    """A task as it was when the file was written: where it stands, and all that is needed to start it again there."""

    version: int = VERSION
    run: str
    """The run of the workflow whose step wrote it."""
    ended: bool = False
    """Whether that was at the step's end, so that nothing has begun since."""
    written: float
    """When, in seconds since 1970."""
    task: SectorInput


class StateFileError(Exception):
    """A state file cannot be read; the text names it and says why."""


def read_state(files: SectorFiles) -> StateFile | None:
    """Return a sector's state file; None if there is none. Raises StateFileError, also for another sector's file."""
    try:
        content = foreign.read(files.state, LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateFileError(f"{files.state} cannot be read: {error.strerror or error}") from error
    except foreign.TooLargeError as error:
        raise StateFileError(f"{error}: it is no state file") from error
    try:
        kept = parsed(content)
    except ValueError as error:
        raise StateFileError(f"{files.state} {error}") from error
    if str(kept.task.sector.id) != files.name:
        raise StateFileError(f"{files.state} is of another sector, {kept.task.sector.id}: it was copied there")
    return kept


def parsed(content: bytes) -> StateFile:
    """Return what a file says. Raises ValueError, whose text goes on after the file's name."""
    try:
        found = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not whole: {bounded(str(error), REASON_LIMIT)}") from error
    version = found.get("version") if isinstance(found, dict) else None
    if type(version) is not int:
        raise ValueError("is no state file: it has no version")
    if version != VERSION:
        raise ValueError(f"has version {version}, this sealflow knows version {VERSION}: use the one that wrote it")
    try:
        return StateFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"is not right at {where}: {bounded(first['msg'], REASON_LIMIT)}") from error


def write_state(files: SectorFiles, kept: StateFile) -> None:
    """Replace a sector's state file, atomically and synced. Raises OSError."""
    durable.write(files.state, kept.model_dump_json(indent=1).encode())


def adopt_command(location: str, file: str = "FILE", *, replace: bool = False) -> str:
    """Return what to type to start a location's task again from its state file; ``file`` is the worker's."""
    return shlex.join(["sealflow", "sector", "-c", file, "adopt", location, *(["--replace"] if replace else [])])
