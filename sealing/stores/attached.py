"""A permanent store that is a folder of this machine: a disk, or a network file system that is mounted.

Files are copied to a name beside their own and renamed when they are whole and synced, so that the store never shows
half a file. What dies here leaves such a copy, which the next attempt writes over. A store that is full or away is
waited for; it fails no sector.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealing.background import BEAT, Check, beating, in_thread
from sealing.failures import Permanent, SealingFailure, Temporary, Wait
from sealing.processors import locks
from sealing.stores import durable
from sealing.stores.layout import SectorFiles, persisted, persisted_update

STORING = "storing"
"""Name of the lock, beside the sector's jobs, of the one attempt that copies."""
LOOK_AGAIN = 60.0
"""Seconds until a store that is full or away is tried again."""
COMPARED = 64 << 20
"""Bytes up to which a fresh copy is read back and compared."""
AWAY = frozenset(
    {
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENODEV,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""Errors of a store that is not mounted, does not answer, or was set read-only by the system."""


@dataclass
class _Copying:
    """How far the copy is, in bytes."""

    total: int
    file: str = ""
    done: int = 0
    copied: int = 0

    def facts(self) -> dict[str, Any]:
        return {"phase": "storing", "file": self.file, "bytes": self.done, "total": self.total}


async def store_sector(  # noqa: PLR0913 - a copy has that many parts
    local: SectorFiles,
    store: Path,
    sector_size: int,
    *,
    is_upgrade: bool = False,
    on_alive: Callable[[dict[str, Any]], None],
    beat: float = BEAT,
) -> int:
    """Copy what is to be persisted of a sector, or of its upgrade, into ``store``; whole files there are left.

    Returns the bytes copied.

    ``on_alive`` is told phase, file, bytes and total every ``beat`` seconds. Wait if the store is full or away,
    Permanent if a file of the sector is missing. Cancelled, it stops between two chunks.
    """
    stored = SectorFiles(store, local.name)
    pairs = (persisted_update if is_upgrade else persisted)(local, stored, sector_size)
    progress = _Copying(_total(pairs, "TreeDBuilt" if is_upgrade else "PC1Done"))
    work = in_thread(_store, local, store, pairs, progress)
    await beating(work, lambda: on_alive(progress.facts()), beat)
    return progress.copied


def _total(pairs: list[tuple[Path, Path]], state: str) -> int:
    """Return the bytes of what is to be stored; ``state`` is the one whose step makes it."""
    if missing := [str(source) for source, _ in pairs if not source.is_file()]:
        raise Permanent(f"files to persist are missing: {', '.join(missing)}; resume to {state}, which makes them")
    return sum(source.stat().st_size for source, _ in pairs)


def _store(check: Check, local: SectorFiles, store: Path, pairs: list[tuple[Path, Path]], progress: _Copying) -> None:
    with locks.alone(local.jobs / STORING, check):
        try:
            if not store.is_dir():
                raise Wait(f"the store {store} is not there: mount it, or correct its path", LOOK_AGAIN)
            for source, target in pairs:
                progress.file = str(target)
                _store_file(check, source, target, progress)
        except OSError as error:
            raise _failure(store, error) from error


def _store_file(check: Check, source: Path, target: Path, progress: _Copying) -> None:
    if _same(check, source, target):
        progress.done += source.stat().st_size
        return

    def copied(count: int) -> None:
        progress.done += count
        progress.copied += count
        check()

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    size = durable.copy(source, part, copied)
    durable.sync(part)
    if part.stat().st_size != size or (size <= COMPARED and not _same(check, source, part)):
        msg = f"{part} is not what was copied from {source}"
        raise OSError(errno.EIO, msg)
    part.replace(target)
    durable.sync(target.parent)
    durable.sync(target.parent.parent)


def _same(check: Check, source: Path, target: Path) -> bool:
    """Tell whether ``target`` is there and has the content of ``source``."""
    if not target.is_file() or target.stat().st_size != source.stat().st_size:
        return False
    with source.open("rb") as left, target.open("rb") as right:
        while chunk := left.read(durable.CHUNK):
            check()
            if chunk != right.read(durable.CHUNK):
                return False
    return True


def _failure(store: Path, error: OSError) -> SealingFailure:
    what = f"the store {store}: {error.strerror or error}"
    if error.errno in durable.NO_SPACE:
        return Wait(f"{what}; waiting for space: make room or add a store", LOOK_AGAIN)
    if error.errno in AWAY:
        return Wait(f"{what}; waiting for the store to be back", LOOK_AGAIN)
    return Temporary(f"copying to {what} ({error.filename or 'while copying'})")
