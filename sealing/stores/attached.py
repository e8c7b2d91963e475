"""A permanent store that is a folder of this machine: a disk, or a network file system that is mounted.

Files come under a name beside their own and are renamed when they are whole and synced, so that the store never shows
half a file. What dies here leaves such a copy, which the next attempt writes over. A store that is full or away is
waited for; it fails no sector.

What a copy costs: the source is read once and digested on the way; the copy is synced and read once more, past the
page cache, and its digest compared. A file that is in the store with the right size when an attempt begins is compared
with the local one, which reads both: some minutes for 32 GiB, and only after an attempt that died.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sealing.background import BEAT, Check, beating, in_thread
from sealing.failures import Permanent, SealingFailure, Temporary, Wait
from sealing.processors import locks
from sealing.stores import durable, space
from sealing.stores.layout import SectorFiles, part_of, parts, persisted, persisted_update

STORING = "storing"
"""Name of the lock, beside the sector's jobs, of the one attempt that copies."""
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
Pairs = list[tuple[Path, Path]]
"""Files of a sector, each with its place in a store."""


@dataclass(eq=False)
class Transfer:
    """A sector on its way into a store, in bytes: ``done`` of ``total`` are there, of which ``copied`` were written.

    ``verified`` of them were read back from the store. ``sha256`` is of the last file that was compared so. ``brought``
    are the bytes of files that have come into the store by this transfer.
    """

    pairs: Pairs
    store: Path
    disk: int
    """The number that the system gives the store's file system."""
    total: int = 0
    phase: str = STORING
    file: str = ""
    done: int = 0
    copied: int = 0
    verified: int = 0
    brought: int = 0
    sha256: str | None = None

    @property
    def promised(self) -> int:
        """The bytes that it will still write to its store."""
        return self.total - self.done

    def facts(self) -> dict[str, Any]:
        """Return what a heartbeat tells."""
        shown = {"stage": "persist", "phase": self.phase, "file": self.file, "bytes": self.done, "total": self.total}
        return {**shown, "verified": self.verified, "sha256": self.sha256}


def to_persist(local: SectorFiles, store: Path, sector_size: int, *, is_upgrade: bool) -> Pairs:
    """Return what is to be kept of a sector, or of its upgrade. Permanent if a file of it is missing."""
    pairs = (persisted_update if is_upgrade else persisted)(local, SectorFiles(store, local.name), sector_size)
    if missing := [str(source) for source, _ in pairs if not source.is_file()]:
        state = "TreeDBuilt" if is_upgrade else "PC1Done"
        raise Permanent(f"files to persist are missing: {', '.join(missing)}; resume to {state}, which makes them")
    return pairs


def transfer_of(local: SectorFiles, store: Path, sector_size: int, *, is_upgrade: bool = False) -> Transfer:
    """Return the transfer of what is to be kept of a sector. Raises what ``to_persist`` does, and OSError."""
    pairs = to_persist(local, store, sector_size, is_upgrade=is_upgrade)
    return Transfer(pairs, store, store.stat().st_dev, sum(source.stat().st_size for source, _ in pairs))


async def store_sector(
    local: SectorFiles,
    transfer: Transfer,
    *,
    on_alive: Callable[[dict[str, Any]], None],
    beat: float = BEAT,
) -> None:
    """Carry out a transfer; whole files that are in the store are left.

    ``on_alive`` is told the transfer's facts every ``beat`` seconds. Wait if a disk is full or the store away.
    Cancelled, it stops between two chunks.
    """
    work = in_thread(_alone, local, transfer.store, partial(_store, transfer))
    await beating(work, lambda: on_alive(transfer.facts()), beat)


async def remove_parts(local: SectorFiles, stores: Iterable[Path]) -> None:
    """Remove the unfinished copies of a sector from stores, and nothing of another sector.

    What cannot be removed stays: a store that is away is cleared when the sector comes to be stored the next time.
    """
    for store in stores:
        with contextlib.suppress(OSError, SealingFailure):
            await in_thread(_alone, local, store, partial(_remove_parts, SectorFiles(store, local.name)))


def _alone(check: Check, local: SectorFiles, store: Path, work: Callable[[Check], None]) -> None:
    """Work on a sector's files in a store, alone. What fails there is told as the store's."""
    try:
        with locks.alone(local.jobs / STORING, check):
            try:
                work(check)
            except OSError as error:
                raise _failure(store, error) from error
    except OSError as error:  # the lock is a file on the sector's own disk
        raise space.no_space(local.jobs, error) or error from error


def _remove_parts(stored: SectorFiles, _: Check) -> None:
    for part in parts(stored):
        part.unlink(missing_ok=True)
    for folder in (stored.cache, stored.update_cache):
        with contextlib.suppress(OSError):  # it is not there, or has whole files in it
            folder.rmdir()


def _store(transfer: Transfer, check: Check) -> None:
    if not transfer.store.is_dir():
        raise Wait(f"the store {transfer.store} is not there: mount it, or correct its path", space.LOOK_AGAIN)
    for source, target in transfer.pairs:
        transfer.phase, transfer.file = STORING, str(target)
        _refuse_link(target.parent, transfer.pairs)
        if _same(check, source, target):
            transfer.done += source.stat().st_size
            durable.sync(target)  # whoever brought it may have died before that
        else:
            durable.make_folder(target.parent)
            part = part_of(target)
            if not _linked(source, part, transfer):
                _copy(check, source, part, transfer)
            part.replace(target)
            transfer.brought += source.stat().st_size
        durable.sync(target.parent)
        durable.sync(target.parent.parent)


def _refuse_link(folder: Path, pairs: Pairs) -> None:
    """Refuse a link where the sector's own folder should be: it would take files out of the store, over others'.

    The folders of all sectors, such as ``cache``, may be links: that is how a store's owner lays it out.
    """
    if folder.is_symlink() and folder.name == pairs[0][1].name:
        raise Permanent(f"{folder} is a link, where the sector's folder in its store should be: remove it, then resume")


def _linked(source: Path, part: Path, transfer: Transfer) -> bool:
    """Give the local file a name in the store where both are on one file system: no byte is moved, nor can differ.

    That is safe, for nothing writes to the file any more: after a replica is made it is only read. A sector that is
    taken back has its files made anew, under new inodes (``local.prepare_pc1`` and the like), and removing the local
    files removes names. A second copy on the same disk would protect from little.
    """
    part.unlink(missing_ok=True)
    if source.is_symlink() or source.stat().st_dev != part.parent.stat().st_dev:
        return False
    if not durable.hard_link(source, part):
        return False
    durable.sync(part)
    transfer.done += source.stat().st_size
    return True


def _copy(check: Check, source: Path, part: Path, transfer: Transfer) -> None:
    """Copy a file and compare size and digest of what was read with what is on the store's disk then."""

    def copied(count: int) -> None:
        transfer.done += count
        transfer.copied += count
        check()

    def verified(count: int) -> None:
        transfer.verified += count
        check()

    wanted = durable.copy_digested(source, part, copied)
    durable.sync(part)
    transfer.phase = "verifying"
    came = durable.digest_on_disk(part, verified)
    if came != wanted:
        msg = f"{part} is not what was copied from {source}: {came[0]} bytes with SHA-256 {came[1]}, not {wanted[0]} "
        raise OSError(errno.EIO, msg + f"with {wanted[1]}")
    transfer.sha256 = wanted[1]


def _same(check: Check, source: Path, target: Path) -> bool:
    """Tell whether ``target`` is there, itself and no link to elsewhere, and has the content of ``source``."""
    if target.is_symlink() or not target.is_file() or target.stat().st_size != source.stat().st_size:
        return False
    if target.samefile(source):
        return True
    with source.open("rb") as left, target.open("rb") as right:
        while chunk := left.read(durable.CHUNK):
            check()
            if chunk != right.read(durable.CHUNK):
                return False
    return True


def _failure(store: Path, error: OSError) -> SealingFailure:
    what = f"the store {store}: {error.strerror or error}"
    if error.errno in durable.NO_SPACE:
        return space.full(what, "make room there, or add a store")
    if error.errno in AWAY:
        return Wait(f"{what}; waiting for the store to be back", space.LOOK_AGAIN)
    return Temporary(f"copying to {what} ({error.filename or 'while copying'})")
