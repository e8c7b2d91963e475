"""The embedded manager's permanent stores: space that is kept for sectors, and whether their files are there."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sealing.jsonrpc.errors import RpcError
from sealing.manager.wire import StoreInfo
from sealing.proofs import seal_proof
from sealing.stores.layout import P_AUX, T_AUX, SectorFiles, tree_r_last_names
from sealing.values import SectorId


class Stores:
    """Stores by name. A name is looked up, never joined to a path."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Take each store's folder. Raises FileNotFoundError for one that is not there: it may be a missing disk."""
        self._folders = dict(folders)
        for name, folder in self._folders.items():
            if not folder.is_dir():
                msg = f"store {name!r}: there is no folder {folder}: make it, or mount its disk"
                raise FileNotFoundError(msg)

    def info(self, name: str) -> StoreInfo | None:
        """Return a store as workers know it."""
        folder = self._folders.get(name)
        return None if folder is None else StoreInfo(name=name, path=str(folder))

    def reserve(self, tx: sqlite3.Connection, sector: str, size: int, candidates: Sequence[str]) -> StoreInfo | None:
        """Keep ``size`` bytes for a sector in the roomiest store, in the same one when asked again; None: no space."""
        kept = tx.execute("SELECT store, size FROM reservations WHERE sector = ?", (sector,)).fetchone()
        wanted = [name for name in self._folders if not candidates or name in candidates]
        if kept is not None and kept["store"] in wanted and kept["size"] >= size:
            return self.info(kept["store"])
        room = {name: self._room(tx, name, sector) for name in wanted}
        fitting = [name for name in wanted if room[name] >= size]
        if not fitting:
            return None
        again = kept is not None and kept["store"] in fitting
        store = kept["store"] if again else max(fitting, key=lambda name: room[name])
        tx.execute("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?)", (sector, store, size))
        return self.info(store)

    def _room(self, tx: sqlite3.Connection, name: str, sector: str) -> int:
        """Return the bytes that are free in a store beside what is kept for other sectors on the same disk."""
        folder = self._folders[name]
        try:
            disk = folder.stat().st_dev
            free = shutil.disk_usage(folder).free
        except OSError:
            return -1  # a disk that is away has no room
        kept = tx.execute("SELECT store, size FROM reservations WHERE sector != ?", (sector,)).fetchall()
        taken: int = sum(row["size"] for row in kept if self._disk(row["store"]) == disk)
        return free - taken

    def _disk(self, name: str) -> int | None:
        try:
            return self._folders[name].stat().st_dev
        except (KeyError, OSError):
            return None

    def missing(self, name: str, sector: SectorId, proof_type: int, *, is_upgrade: bool) -> str | None:
        """Return what is missing of a sector's files in a store, or None.

        Raises an application error for a store that is not known.
        """
        folder = self._folders.get(name)
        if folder is None:
            raise RpcError(f"there is no store named {name[:200]!r}; there are {', '.join(self._folders) or 'none'}")
        size = seal_proof(proof_type).sector_size
        files = SectorFiles.stored(folder, sector)
        wanted = _upgrade(files, size) if is_upgrade else _sealed(files, size)
        for path, length in wanted:
            problem = _problem(folder, path, length)
            if problem is not None:
                return problem
        return None


def _sealed(files: SectorFiles, size: int) -> Iterator[tuple[Path, int | None]]:
    yield files.sealed, size
    for name in (P_AUX, T_AUX, *tree_r_last_names(size)):
        yield files.cache / name, None


def _upgrade(files: SectorFiles, size: int) -> Iterator[tuple[Path, int | None]]:
    yield files.update, size
    for name in (P_AUX, *tree_r_last_names(size)):
        yield files.update_cache / name, None


def _problem(root: Path, path: Path, length: int | None) -> str | None:
    """Return why a file is not what is wanted: of ``length`` bytes, or of any but 0, and inside the store."""
    try:
        real = path.resolve(strict=True)
        got = real.stat().st_size
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not real.is_relative_to(root.resolve()) or not real.is_file():
        return f"{path} is not a file inside the store"
    if got == 0 or (length is not None and got != length):
        return f"{path} has {got} bytes" + ("" if length is None else f", not {length}")
    return None
