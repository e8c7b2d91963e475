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
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sealing import tokens
from sealing.config import hot, trust
from sealing.config.fields import SHARED_STAGES, SIMULATED, STAGES, absolute, queue_name
from sealing.config.keys import WITHOUT_EFFECT, table_at
from sealing.config.machine import RpcServer, SectorManager
from sealing.config.model import NO_MANAGER
from sealing.config.ours import Temporal
from sealing.config.problems import Finding, Key
from sealing.config.scanned import Scan, scan
from sealing.config.stores import Attached
from sealing.config.tables import Table
from sealing.keyring import KeyFileError, read_keys
from sealing.stores import incumbent
from sealing.tokens import NO_FILE

NO_PROGRAM = "is no program that this user can run; correct it"
NAMING: tuple[tuple[tuple[str, ...], type[Table]], ...] = (
    (("worker", "rpc_server"), RpcServer),
    (("sector_manager",), SectorManager),
    (("temporal",), Temporal),
)
"""The tables that name files, by keys that say so at their end."""
NO_THREAD = "add a [[sealing_thread]] with the location of its folder"


def check_needs(raw: dict[str, Any]) -> list[Finding]:
    """Return which tables are missing: a machine without a thread that only proves for others needs neither of two."""
    has_thread = bool(raw.get("sealing_thread"))
    if not has_thread and any(table_at(raw, "processors").get(stage) for stage in SHARED_STAGES):
        return []
    needed = [] if "sector_manager" in raw else [Finding(("sector_manager",), None, NO_MANAGER)]
    return needed if has_thread else [*needed, Finding(("sealing_thread",), None, NO_THREAD)]


def check_places(raw: dict[str, Any]) -> list[Finding]:
    """Return what is wrong with the folders, files and names of a parsed configuration."""
    places = [*_threads(raw), *_attached(raw), *_scanned(raw), *_files(raw)]
    return [*places, *trust.check(raw), *_queue_names(raw)]


def look_around(raw: dict[str, Any]) -> list[Finding]:
    """Return what deserves a look in the folders of a parsed configuration, and keeps no worker from starting."""
    found = [Finding(("worker", "scan_persist_stores", at), pattern, why) for at, pattern, why in _scan(raw)[1]]
    found += [*_unknown_locks(raw), *trust.look_around(raw)]
    for index, thread in _tables(raw, "sealing_thread"):
        folder = _path(thread.get("location"))
        if folder is None or folder_problem(folder, writable=False):
            continue
        key, value = ("sealing_thread", index, "location"), thread["location"]
        if incumbent.is_idle(folder):
            found.append(Finding(key, value, incumbent.IDLE))
        hot_file = hot.read(folder)
        if hot_file.broken:
            found.append(Finding(key, value, f"{hot_file.broken}; its settings do not count until it is corrected"))
        found += [Finding(key, value, ignored) for ignored in hot_file.ignored]
    return found


def _tables(raw: dict[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the tables of a list of tables, with their positions."""
    entries = raw.get(name)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield index, entry


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
        elif unfinished := incumbent.unfinished(folder):
            yield finding(unfinished)
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


def _scanned(raw: dict[str, Any]) -> Iterator[Finding]:
    for index, pattern, wrong in _scan(raw)[0]:
        yield Finding(("worker", "scan_persist_stores", index), pattern, wrong)


def _scan(raw: dict[str, Any]) -> tuple[list[tuple[int, str, str]], list[tuple[int, str, str]]]:
    """Return what is wrong and what deserves a look about ``scan_persist_stores``: position, pattern, why."""
    patterns = table_at(raw, "worker").get("scan_persist_stores")
    given = patterns if isinstance(patterns, list) else []
    usable = {at: pattern for at, pattern in enumerate(given) if isinstance(pattern, str)}
    found = scan(tuple(usable.values()), tuple(_stores(raw))) if usable else Scan()
    positions = list(usable)

    def told(about: list[tuple[int, str]]) -> list[tuple[int, str, str]]:
        return [(positions[at], usable[positions[at]], why) for at, why in about]

    return told(found.wrong), told(found.notes)


def _stores(raw: dict[str, Any]) -> Iterator[Attached]:
    """Yield the stores of the file that are right."""
    for _, store in _tables(raw, "attached"):
        with contextlib.suppress(ValueError):
            yield Attached.model_validate(store)


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
    processors = table_at(raw, "processors")
    for tables, model in NAMING:
        given = table_at(raw, *tables)
        for name in model.model_fields:
            path = _path(given.get(name)) if name.endswith("_file") else None
            if path and (wrong := CHECKS.get(name, _file_problem)(path)):
                yield Finding((*tables, name), given[name], wrong)
    program = processors.get("program")
    if isinstance(program, str) and program not in {"", SIMULATED} and not _is_program(program):
        yield Finding(("processors", "program"), program, f"{NO_PROGRAM}, or remove the key and run: make setup")
    for key, processor in _processors(processors):
        if isinstance(program := processor.get("bin"), str) and not _is_program(program):
            yield Finding((*key, "bin"), program, NO_PROGRAM)
    for size, tree in table_at(processors, "static_tree_d").items():
        if (path := _path(tree)) and not _is_readable(path):
            yield Finding(("processors", "static_tree_d", size), tree, NO_FILE)


def _processors(processors: dict[str, Any]) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield the programs of the stages that are run, with their keys."""
    for stage in STAGES:
        if f"processors.{stage}" not in WITHOUT_EFFECT:
            yield from ((("processors", stage, index), processor) for index, processor in _tables(processors, stage))


def _unknown_locks(raw: dict[str, Any]) -> Iterator[Finding]:
    processors = table_at(raw, "processors")
    known = table_at(processors, "ext_locks")
    for key, processor in _processors(processors):
        locks = processor.get("locks")
        for index, lock in enumerate(locks if isinstance(locks, list) else []):
            if isinstance(lock, str) and lock not in known:
                yield Finding((*key, "locks", index), lock, "is no lock of processors.ext_locks: nothing waits for it")


def _file_problem(path: Path) -> str | None:
    return None if _is_readable(path) else NO_FILE


def _keys_problem(path: Path) -> str | None:
    """Return what is wrong with a file of keys for payloads."""
    try:
        read_keys(path)
    except KeyFileError as error:
        return str(error)
    return None


CHECKS: Mapping[str, Callable[[Path], str | None]] = {
    "payload_key_file": _keys_problem,
    "token_file": tokens.problem,
    "api_key_file": tokens.problem,
}
"""What a file must hold, by its key; all others must only be there."""


def _is_readable(path: Path) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)  # noqa: PTH113 - this one never raises


def _is_program(name: str) -> bool:
    return "\0" not in name and shutil.which(name) is not None


def _queue_names(raw: dict[str, Any]) -> Iterator[Finding]:
    """Find a worker's name that cannot be a queue's name, or is the fleet's."""
    given = table_at(raw, "worker").get("name")
    name = given if given is not None else socket.gethostname()
    fleet = table_at(raw, "temporal").get("task_queue", Temporal().task_queue)
    if name == fleet:
        yield Finding(("worker", "name"), name, "is the fleet's queue, temporal.task_queue; give one another name")
    # What is no text is nobody's name: the models tell.
    names = ((fleet, "the fleet's queue"), (name, "the worker's name"))
    taken = {queue: whose for queue, whose in names if isinstance(queue, str)}
    for stage in SHARED_STAGES:
        queue = table_at(raw, "temporal").get(f"{stage}_queue")
        if isinstance(queue, str) and (other := taken.setdefault(queue, stage)) != stage:
            right = f"is {other} too; give each queue its own name"
            yield Finding(("temporal", f"{stage}_queue"), queue, right)
    if given is None:
        try:
            queue_name(name)
        except ValueError as error:
            yield Finding(("worker", "name"), name, f"is this host's name and cannot be used; {error}")
