"""Where a sector's files are: the one place for paths in a thread's location and in a permanent store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sealing.stores import names
from sealing.values import SectorId

HOT_CONFIG = "config.toml"
HOLDER = ".holder"
"""The mark of a location that was prepared."""
STORE_MARK = "sectorstore.json"
"""The mark of a permanent store that was prepared: ID, Name, ReadOnly. Other keys in it are the manager's."""
INCUMBENT_DATABASE = "meta"
QUARANTINE = "quarantine"
"""The folder of what was set aside."""
STATE_FILE = "state.json"
_LAYER = re.compile(r"sc-02-data-layer-(\d+)\.dat")


@dataclass(frozen=True)
class SectorFiles:
    """The paths of one sector below ``root``: ``<location>/data`` or a permanent store."""

    root: Path
    name: str

    def __post_init__(self) -> None:
        """Refuse a name that would lead elsewhere. Raises UnsafeNameError."""
        names.part(self.name, "the sector")

    @classmethod
    def local(cls, location: str | Path, sector: SectorId) -> SectorFiles:
        """Return the sector's paths in a thread's location."""
        return cls(Path(location) / "data", str(sector))

    @classmethod
    def stored(cls, store: str | Path, sector: SectorId) -> SectorFiles:
        """Return the sector's paths in a permanent store."""
        return cls(Path(store), str(sector))

    @property
    def unsealed(self) -> Path:
        """The staged data, a file of the sector's size."""
        return self.root / "unsealed" / self.name

    @property
    def pieces(self) -> Path:
        """The folder in which the deals' data waits to be staged."""
        return self.root / "pieces" / self.name

    def piece(self, cid: str) -> Path:
        """Return the data of one piece: a file, or a link to one that is elsewhere on the machine.

        Raises UnsafeNameError.
        """
        return self.pieces / names.part(cid, "the piece")

    @property
    def sealed(self) -> Path:
        """The replica, a file of the sector's size."""
        return self.root / "sealed" / self.name

    @property
    def cache(self) -> Path:
        """The folder of labels, trees and auxiliary data."""
        return self.root / "cache" / self.name

    def layers(self) -> dict[int, Path]:
        """Return PC1's layers that are there, by their numbers from 1: each is renamed into place when it is whole."""
        found = {path: _LAYER.fullmatch(path.name) for path in self.cache.glob("sc-02-data-layer-*.dat")}
        return {int(named[1]): path for path, named in found.items() if named}

    @property
    def prepared(self) -> Path:
        """The folder in which tree-d waits for PC1."""
        return self.root / "prepared" / self.name

    @property
    def update(self) -> Path:
        """The replica of a snap-up."""
        return self.root / "update" / self.name

    @property
    def update_cache(self) -> Path:
        """The cache folder of a snap-up."""
        return self.root / "update-cache" / self.name

    @property
    def jobs(self) -> Path:
        """The folder of the sector's jobs, one folder a stage in it."""
        return self.root / "jobs" / self.name

    def job(self, stage: str) -> Path:
        """Return the folder of one stage's job."""
        return self.jobs / stage

    @property
    def state(self) -> Path:
        """The state file: what the sector's task knows. In this folder it goes where the sector's files go."""
        return self.jobs / STATE_FILE

    @property
    def pristine_mark(self) -> Path:
        """The mark that the sealed file still holds the data as PC1 left it."""
        return self.jobs / "sealed-is-pristine"

    def all(self) -> tuple[Path, ...]:
        """Return every path that may exist for the sector."""
        return (
            self.pieces,
            self.unsealed,
            self.sealed,
            self.cache,
            self.prepared,
            self.update,
            self.update_cache,
            self.jobs,
        )


def quarantine(location: str | Path, sector: SectorId | str, stamp: str) -> Path:
    """Return the folder for the files of a task that others ended; ``stamp`` says when."""
    return Path(location) / QUARANTINE / f"{sector}-{stamp}"


TREE_D = "sc-02-data-tree-d.dat"
P_AUX = "p_aux"
T_AUX = "t_aux"


def tree_r_last_names(sector_size: int) -> tuple[str, ...]:
    """Return the names of the files of tree-r-last: one below 32 GiB, 8 for 32 GiB, 16 for 64 GiB."""
    parts = {32 << 30: 8, 64 << 30: 16}.get(sector_size, 1)
    stem = "sc-02-data-tree-r-last"
    return (f"{stem}.dat",) if parts == 1 else tuple(f"{stem}-{part}.dat" for part in range(parts))


def persisted(local: SectorFiles, stored: SectorFiles, sector_size: int) -> list[tuple[Path, Path]]:
    """Return what is kept of a sector, each file with its place in a store: replica, p_aux, t_aux, tree-r-last."""
    names = (P_AUX, T_AUX, *tree_r_last_names(sector_size))
    return [(local.sealed, stored.sealed), *((local.cache / name, stored.cache / name) for name in names)]


def persisted_update(local: SectorFiles, stored: SectorFiles, sector_size: int) -> list[tuple[Path, Path]]:
    """Return the same of an upgrade. The old replica stays in its store: without it the data cannot be read back."""
    names = (P_AUX, T_AUX, *tree_r_last_names(sector_size))
    pairs = ((local.update_cache / name, stored.update_cache / name) for name in names)
    return [(local.update, stored.update), *pairs]


def part_of(target: Path) -> Path:
    """Return the name beside a file in a store under which it is copied there until it is whole."""
    return target.with_name(f".{target.name}.part")


def parts(stored: SectorFiles) -> list[Path]:
    """Return the unfinished copies of a sector's files, and of its upgrade's, that are in a store."""
    alone = [path for path in map(part_of, (stored.sealed, stored.update)) if path.exists()]
    folders = [folder for folder in (stored.cache, stored.update_cache) if not folder.is_symlink()]
    return [*alone, *(part for folder in folders for part in folder.glob(".*.part"))]


def space_needed(sector_size: int) -> int:
    """Return the bytes to reserve in a permanent store for one sector's sealed file and cache."""
    return 2 * sector_size if sector_size < 32 << 30 else sector_size + sector_size // 50


LAYERS = {32 << 30: 11, 64 << 30: 11}
"""Layers of labels that PC1 writes, by sector size; 2 for the smaller ones (storage-proofs-core, parameter_cache)."""
WRITTEN = {"add_pieces": 10, "tree_d": 20, "pc2": 12, "snap_encode": 31}
"""Tenths of a sector's size that a stage writes in a location, beside what is there when it starts.

From the files' own sizes: the staged data 1; tree-d, a binary tree over it, 2; PC2's tree-c, a tree of eight branches
over columns, 8/7, and a tree-r-last of which almost nothing is kept; an upgrade's replica 1 and its cache 2.1, which
is the figure of lotus (storiface/filetype.go). The old replica of an upgrade is linked."""


def stage_space(stage: str, sector_size: int) -> int:
    """Return the bytes that a stage will write in a location; 0 for those that write next to nothing."""
    if stage == "pc1":
        return (LAYERS.get(sector_size, 2) + 1) * sector_size  # the layers, and a copy of the data; tree-d is linked
    return WRITTEN.get(stage, 0) * sector_size // 10
