"""Checks of what a configuration names outside of itself, and of values that must fit each other.

They look at the parsed TOML, not at the models, so that they run beside the models' own checks and an operator sees
every problem at once. A value of a wrong type is none of their business: the models report it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sealing.config.fields import SHARED_STAGES, SIMULATED, absolute, queue_name
from sealing.config.model import Temporal

Key = tuple[str | int, ...]
"""A key's way through the tables and lists."""


class Finding(NamedTuple):
    """Something wrong: which key, its value, and what would be right."""

    key: Key
    value: object
    right: str


def check_places(raw: dict[str, Any]) -> list[Finding]:
    """Return what is wrong with the folders, files and names of a parsed configuration."""
    return [*_threads(raw), *_attached(raw), *_files(raw), *_tls_pair(raw), *_queue_names(raw)]


def _tables(raw: dict[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the tables of a list of tables, with their positions."""
    entries = raw.get(name)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    entry = raw.get(name)
    return entry if isinstance(entry, dict) else {}


def _path(value: object) -> Path | None:
    """Return the path that a value names; none where the models refuse it."""
    with contextlib.suppress(ValueError):
        return absolute(value) if isinstance(value, str) else None
    return None


def _threads(raw: dict[str, Any]) -> Iterator[Finding]:
    first_use: dict[Path, int] = {}
    for index, thread in _tables(raw, "sealing_thread"):
        folder = _path(thread.get("location"))
        if folder is None:
            continue
        finding = partial(Finding, ("sealing_thread", index, "location"), thread["location"])
        if wrong := folder_problem(folder, writable=True):
            yield finding(wrong)
        elif (used := first_use.setdefault(folder.resolve(), index)) != index:
            yield finding(f"is the folder of sealing_thread[{used}]; give each thread its own")


def _attached(raw: dict[str, Any]) -> Iterator[Finding]:
    first_use: dict[str, int] = {}
    for index, store in _tables(raw, "attached"):
        folder, name = _path(store.get("location")), store.get("name", store.get("location"))
        if folder and (wrong := folder_problem(folder, writable=store.get("readonly") is not True)):
            yield Finding(("attached", index, "location"), store["location"], wrong)
        if isinstance(name, str) and (used := first_use.setdefault(name, index)) != index:
            right = f"is the name of attached[{used}]; give each store its own, as the manager knows it"
            yield Finding(("attached", index, "name"), name, right)


def folder_problem(folder: Path, *, writable: bool) -> str | None:
    """Return what is wrong with a folder and, after a semicolon, what to do; None if nothing is.

    Writing is tried: permissions alone do not tell of a read-only disk.
    """
    try:
        if not folder.exists():
            return "is not there; create the folder or correct the path"
        if not folder.is_dir():
            return "is not a folder; name a folder"
        if writable:
            with tempfile.TemporaryFile(dir=folder):
                pass
        else:
            os.scandir(folder).close()
    except OSError as error:
        deed = "written" if writable else "read"
        return f"cannot be {deed} ({error.strerror}); let this user have it or name another folder"
    return None


def _files(raw: dict[str, Any]) -> Iterator[Finding]:
    """Find files that are named and cannot be used."""
    temporal, processors = _table(raw, "temporal"), _table(raw, "processors")
    for name in Temporal.model_fields:
        path = _path(temporal.get(name)) if name.endswith("_file") else None
        if path and not (path.is_file() and os.access(path, os.R_OK)):
            yield Finding(("temporal", name), temporal[name], "is no file that this user can read; correct the path")
    program = processors.get("program")
    if isinstance(program, str) and program not in {"", SIMULATED} and shutil.which(program) is None:
        right = "is no program that this user can run; correct it, or remove the key and run: make setup"
        yield Finding(("processors", "program"), program, right)


def _tls_pair(raw: dict[str, Any]) -> Iterator[Finding]:
    temporal = _table(raw, "temporal")
    pair = ("tls_cert_file", "tls_key_file")
    given = [name for name in pair if name in temporal]
    if len(given) == 1:
        (missing,) = set(pair) - set(given)
        yield Finding(("temporal", missing), None, f"is needed with {given[0]}; add it")


def _queue_names(raw: dict[str, Any]) -> Iterator[Finding]:
    """Find a worker's name that cannot be a queue's name, or is the fleet's."""
    given = _table(raw, "worker").get("name")
    name = given if given is not None else socket.gethostname()
    fleet = _table(raw, "temporal").get("task_queue", Temporal().task_queue)
    if name == fleet:
        yield Finding(("worker", "name"), name, "is the fleet's queue, temporal.task_queue; give one another name")
    taken = {fleet: "the fleet's queue", name: "the worker's name"}
    for stage in SHARED_STAGES:
        queue = _table(raw, "temporal").get(f"{stage}_queue")
        if isinstance(queue, str) and (other := taken.setdefault(queue, stage)) != stage:
            right = f"is {other} too; give each queue its own name"
            yield Finding(("temporal", f"{stage}_queue"), queue, right)
    if given is None:
        try:
            queue_name(name)
        except ValueError as error:
            yield Finding(("worker", "name"), name, f"is this host's name and cannot be used; {error}")
