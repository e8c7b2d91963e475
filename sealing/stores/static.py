"""A ready tree-d for sectors without deals: it is the same for all of a size, so it is linked and not computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sealing.background import Check
from sealing.failures import Permanent
from sealing.pieces.commitment import NODE, data_commitment, zero_commitment
from sealing.proofs import SECTOR_SIZES
from sealing.stores import local
from sealing.stores.layout import SectorFiles
from sealing.units import size_text
from sealing.values import Piece


def is_zeros(pieces: Iterable[Piece], sector_size: int) -> bool:
    """Tell whether a sector's data is zeros throughout."""
    parts = ((piece.size, bytes.fromhex(piece.commitment)) for piece in pieces)
    return data_commitment(parts, sector_size) == zero_commitment(sector_size)


class StaticTrees:
    """The files of ``[processors.static_tree_d]``. Each is checked before it is linked for the first time."""

    def __init__(self, files: Mapping[str, Path] | None = None) -> None:
        """Take the files by the sector size's name, such as ``32GiB``."""
        self._files = {SECTOR_SIZES[name]: (name, path) for name, path in (files or {}).items()}
        self._checked: set[int] = set()

    def __contains__(self, sector_size: int) -> bool:
        """Tell whether there is a file for a sector size."""
        return sector_size in self._files

    def link(self, check: Check, sector_size: int, files: SectorFiles) -> Path:
        """Put the file where a sector's tree-d is expected, and return its path there. Permanent if it is not right.

        Size and root are looked at: what is between would take as long to read as to compute.
        """
        name, path = self._files[sector_size]
        if sector_size not in self._checked:
            if wrong := _problem(path, sector_size):
                raise Permanent(
                    f"[processors.static_tree_d] {name} = {path} {wrong}: correct the path, or remove the key so that "
                    "the tree is computed; start the worker again, then resume"
                )
            self._checked.add(sector_size)
        return local.link_tree_d(check, files, path)


def _problem(path: Path, sector_size: int) -> str | None:
    """Return what is wrong with a file that should be the tree over a sector of zeros, or None."""
    wanted = 2 * sector_size - NODE
    try:
        found = path.stat().st_size
        if found != wanted:
            return f"has {found} bytes, not {wanted} as the tree of a sector of {size_text(sector_size)}"
        with path.open("rb") as tree:
            tree.seek(-NODE, 2)
            root = tree.read()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if root != zero_commitment(sector_size):
        return f"has the root {root.hex()}, not {zero_commitment(sector_size).hex()}, which is that of zeros"
    return None
