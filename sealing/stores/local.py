"""A sector's files on its machine: made ready before each start of a stage, settled after it, removed at the end.

Each ``prepare`` may be repeated at any time, also after a stage was killed in the middle or had succeeded. That the
sealed file still holds the data is known by a mark: PC1 leaves it, PC2 removes it before it writes. A power cut counts
as well: the mark is synced after what it speaks of, and its removal before PC2 starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sealing.background import Check, in_thread
from sealing.failures import Permanent, Temporary
from sealing.processors import locks
from sealing.processors.folder import STARTING, job_folders
from sealing.processors.spec import Start
from sealing.stores import durable, layers, space
from sealing.stores.layout import P_AUX, T_AUX, TREE_D, SectorFiles, persisted

LEFT_BY_PC2 = (P_AUX, T_AUX, "*tree-c*", "*tree-r-last*")
"""What PC2 takes for its own work of before if it finds it."""
SECTOR_NAME = re.compile(r"s-t0\d+-\d+")


def prepare_with_room(
    files: SectorFiles, stage: str, sector_size: int, prepare: Callable[[Start], None], start: Start
) -> None:
    """Prepare a stage and look whether there is room for what it will write. Wait if there is not.

    Looked at last: what is prepared makes room of what an earlier attempt has left.
    """
    prepare(start)
    space.require_room(files, stage, sector_size)


def prepare_add_pieces(files: SectorFiles, _: Start) -> None:
    """Make room for the staged data."""
    durable.make_folder(files.unsealed.parent)
    files.unsealed.unlink(missing_ok=True)


def settle_add_pieces(files: SectorFiles, _: Check) -> None:
    """Make the staged data durable; then the pieces that it was made of may go."""
    durable.sync(files.unsealed)
    durable.sync(files.unsealed.parent)
    durable.remove(files.pieces)


def prepare_tree_d(files: SectorFiles, _: Start) -> None:
    """Make an empty folder for tree-d."""
    durable.remove(files.prepared)
    durable.make_folder(files.prepared)


def settle_tree_d(files: SectorFiles, check: Check) -> None:
    """Make tree-d durable."""
    durable.sync_tree(files.prepared, check)
    durable.sync(files.prepared.parent)


def link_tree_d(check: Check, files: SectorFiles, ready: Path) -> Path:
    """Put a ready tree-d where ``tree_d`` would have built it, and return its path there.

    It is linked, not copied: no stage writes to a tree-d that is there, and removing the sector's files removes links.
    """
    try:
        with locks.alone(files.jobs / STARTING, check):
            durable.remove(files.prepared)
            durable.make_folder(files.prepared)
            durable.link(ready, files.prepared / TREE_D)
            durable.sync(files.prepared / TREE_D)
            durable.sync(files.prepared)
    except OSError as error:
        raise space.no_space(files.prepared, error) or error from error
    return files.prepared / TREE_D


def prepare_pc1(files: SectorFiles, tree_d: Path, start: Start) -> None:
    """Make an empty cache with tree-d in it, and an empty sealed file, which PC1 fills with the data.

    After an attempt on the same inputs that did not fail, the whole layers stay, and PC1 goes on from them: the
    library renames a layer into place when it is whole. After a restart of the machine those stay that were noted, and
    are what was noted. Permanent if the data or tree-d is gone.
    """
    _require(files.unsealed, "the staged data", "DealsAcquired")
    _require(tree_d, "tree-d", "PieceAdded")
    _unmark(files)
    if not start.again:
        layers.remove(files)
    elif start.rebooted:
        layers.keep_noted(files, start.check)
    durable.make_folder(files.cache)
    durable.make_folder(files.sealed.parent)
    durable.remove(files.sealed)  # a new file: the one of before may be linked into a store
    files.sealed.write_bytes(b"")
    # Always anew: without one the library writes a tree-d that is of full size before it is whole.
    durable.link(tree_d, files.cache / TREE_D)


def settle_pc1(files: SectorFiles, check: Check) -> None:
    """Make the layers and the sealed file durable, and leave the mark that the latter holds the data."""
    durable.sync_tree(files.cache, check)
    durable.sync(files.cache.parent)
    durable.sync(files.sealed)
    durable.sync(files.sealed.parent)
    durable.write(files.pristine_mark, b"")


def prepare_pc2(files: SectorFiles, start: Start) -> None:
    """See to it that the sealed file holds the data and that nothing of an earlier PC2 is in the cache.

    Copies the staged data over the sealed file unless the mark is there. Permanent if the data is gone.
    """
    pristine = files.pristine_mark.exists() and files.sealed.is_file()
    _unmark(files)
    if not pristine:
        _require(files.unsealed, "the staged data", "DealsAcquired")
        durable.remove(files.sealed)  # a new file: the one of before may be linked into a store
        durable.copy(files.unsealed, files.sealed, lambda _: start.check())
        durable.sync(files.sealed)
    for pattern in LEFT_BY_PC2:
        for path in files.cache.glob(pattern):
            path.unlink()


def prepare_snap_encode(files: SectorFiles, old: SectorFiles, sector_size: int, _: Start) -> None:
    """Link the old replica and its cache from the store they are in, and make room for the new one.

    Links by path, which are never followed when they are removed. Permanent if the store lacks a file.
    """
    durable.make_folder(files.sealed.parent)
    durable.remove(files.sealed)
    durable.remove(files.cache)
    durable.make_folder(files.cache)
    for source, target in persisted(old, files, sector_size):
        if not source.is_file():
            raise Permanent(f"the old replica's {source} is not there: bring it back into the store, then resume")
        target.symlink_to(source)
    durable.remove(files.update)
    durable.remove(files.update_cache)
    durable.make_folder(files.update.parent)
    durable.make_folder(files.update_cache)


def settle_update(files: SectorFiles, check: Check) -> None:
    """Make the new replica and its cache durable, and the links to the old ones, which the proof reads as well."""
    durable.sync(files.sealed.parent)
    durable.sync(files.cache)
    durable.sync(files.update)
    durable.sync(files.update.parent)
    durable.sync_tree(files.update_cache, check)
    durable.sync(files.update_cache.parent)


def settle_cache(files: SectorFiles, check: Check) -> None:
    """Make the sealed file and the cache durable: after PC2, and after the synthetic proofs."""
    durable.sync(files.sealed)
    durable.sync(files.sealed.parent)  # PC2 may have begun with a new file
    durable.sync_tree(files.cache, check)


def sectors(location: str | Path) -> list[SectorFiles]:
    """Return the sectors of which there is anything in a thread's location, but the lock that removing them leaves."""
    data = Path(location) / "data"
    names = {path.name for path in data.glob("*/*") if SECTOR_NAME.fullmatch(path.name)}
    found = [SectorFiles(data, name) for name in sorted(names)]
    return [files for files in found if _is_there(files)]


def _is_there(files: SectorFiles) -> bool:
    others = (path for path in files.all() if path != files.jobs)
    return files.state.exists() or any(job_folders(files.jobs)) or any(path.exists() for path in others)


async def remove_sector(files: SectorFiles) -> None:
    """End the sector's jobs and remove all its files. May be repeated; nothing but the sector's own is touched.

    What cannot be removed keeps nothing else from being removed, and is told at the end: Temporary.
    """
    if not SECTOR_NAME.fullmatch(files.name):
        msg = f"{files.name!r} is not a sector's name: nothing is removed for it"
        raise ValueError(msg)
    await in_thread(_remove, files)


async def quarantine_sector(files: SectorFiles, folder: Path, why: str) -> None:
    """End the sector's jobs and move all its files into ``folder``, with ``why`` beside them. May be repeated.

    Temporary if a file cannot be moved.
    """
    await in_thread(_quarantine, files, folder, why)


def _quarantine(check: Check, files: SectorFiles, folder: Path, why: str) -> None:
    if not files.root.is_dir():
        return
    with locks.alone(files.jobs / STARTING, check):
        for job in job_folders(files.jobs):
            job.halt()
        durable.write(folder / "why.txt", why.encode())
        try:
            for path in files.all():
                target = folder / path.parent.name / path.name
                target.parent.mkdir(exist_ok=True)
                if target.exists() and path == files.jobs:
                    durable.remove(path)  # an earlier try moved the jobs; here is but the lock of this one
                elif path.exists():
                    path.rename(target)
        except OSError as error:
            raise Temporary(f"files of {files.name} cannot be moved to {folder}: {error}; move them by hand") from error
        durable.sync(folder)


def _remove(check: Check, files: SectorFiles) -> None:
    if not files.root.is_dir():
        return
    kept: list[str] = []
    with locks.alone(files.jobs / STARTING, check):
        for job in job_folders(files.jobs):
            job.halt()
        for path in files.all():
            try:
                durable.remove(path)
            except OSError as error:
                kept.append(f"{path}: {error.strerror}")
    if kept:
        raise Temporary(f"files of {files.name} cannot be removed: {'; '.join(kept)}; remove them by hand")


def _unmark(files: SectorFiles) -> None:
    """Remove the mark, so that not even a power cut brings it back."""
    files.pristine_mark.unlink(missing_ok=True)
    durable.sync(files.pristine_mark.parent)


def _require(path: Path, what: str, state: str) -> None:
    if not path.is_file():
        raise Permanent(f"{what}, {path}, is not there: resume to {state}, which makes it")
