"""Where the data of a sector's pieces comes from: a folder of this machine, or else the manager's piece store.

What is fetched stands in the sector's folder of pieces under the piece's CID: the downloaded file, or a link to the
local one. The stage that stages it is so given the same path wherever the data came from, and a second try finds what
the first has brought. Only the commitment tells whether the data is right: see ``check``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealing import tracing
from sealing.background import Check, in_thread
from sealing.failures import Permanent, SealingFailure, Temporary
from sealing.pieces.cid import commitment_of
from sealing.pieces.download import PieceStore, Wanted
from sealing.processors import locks
from sealing.processors.tasks import data_size, unpadded
from sealing.stores import space
from sealing.stores.layout import SectorFiles
from sealing.values import Deal

FETCHING = "fetching"
"""Name of the lock, beside the sector's jobs, of the one attempt that fetches."""


@dataclass(frozen=True)
class PieceSources:
    """The places in their order: the folders, and the manager's piece store."""

    folders: Sequence[Path]
    store: PieceStore

    async def fetch(
        self, deals: Sequence[Deal], files: SectorFiles, on_progress: Callable[[dict[str, Any]], None]
    ) -> Mapping[str, str]:
        """Bring the data of all deals to where the sector expects it; returns in words where each came from, by CID.

        ``on_progress`` is told phase, piece, bytes and total. Raises what ``PieceStore.download`` does, Permanent for a
        deal whose piece has no right CID, and Wait for a full disk.
        """
        needs = _needs(deals)
        if not needs:
            return {}
        try:
            async with locks.alone_meanwhile(files.jobs / FETCHING):
                return {need.cid: await self._fetch(need, files.piece(need.cid), on_progress) for need in needs}
        except OSError as error:
            raise _disk_failure(files.pieces, error) from error

    async def _fetch(self, need: _Need, target: Path, on_progress: Callable[[dict[str, Any]], None]) -> str:
        found = await in_thread(_link_local, need, target, self.folders)
        if found.path is not None:
            return str(found.path)
        if not found.is_there:
            wanted = Wanted(need.cid, need.least, need.most, target, "; ".join(found.looked))
            with tracing.noted("download", {tracing.PIECE: need.cid}):
                await self.store.download(wanted, on_progress)
        return self.store.url_of(need.cid)


@dataclass(frozen=True)
class _Need:
    """A piece whose data is needed: at least the longest data of its deals, at most a full piece, in bytes."""

    cid: str
    least: int
    most: int


def _needs(deals: Sequence[Deal]) -> list[_Need]:
    """Return each piece once: deals whose data differs in zeros at its end have the same piece."""
    found: dict[str, _Need] = {}
    for deal in deals:
        if not deal.is_filler:
            cid = _checked(deal.piece_cid)
            before = found.get(cid, _Need(cid, 0, 0))
            found[cid] = _Need(cid, max(before.least, data_size(deal)), max(before.most, unpadded(deal.size)))
    return list(found.values())


@dataclass(frozen=True)
class _Found:
    """A local file, or None where there is none that fits; what was found in each folder; what is there already."""

    path: Path | None
    looked: Sequence[str] = ()
    is_there: bool = False


def _link_local(check: Check, need: _Need, target: Path, folders: Sequence[Path]) -> _Found:
    """Link to the piece's file in the first folder that has one; a download that is whole is left as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_symlink() and target.is_file() and target.stat().st_size == need.least:
        return _Found(None, is_there=True)
    target.unlink(missing_ok=True)
    looked = []
    for folder in folders:
        check()
        path = folder / need.cid
        if not (why_not := _unfit(path, need)):
            target.symlink_to(path)
            return _Found(path)
        looked.append(f"{path} {why_not}")
    return _Found(None, looked)


def _unfit(path: Path, need: _Need) -> str:
    """Return why a file cannot be the piece's data, or nothing. It may be filled up with zeros already."""
    try:
        found = path.stat()
    except OSError as error:
        return "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    if not path.is_file():
        return "is no file"
    if not need.least <= found.st_size <= need.most:
        return f"has {found.st_size} bytes where the deal has {need.least}"
    return "" if os.access(path, os.R_OK) else "cannot be read (no permission)"


def _disk_failure(path: Path, error: OSError) -> SealingFailure:
    what = f"the disk of {path}: {error.strerror or error}"
    return space.no_space(path, error) or Temporary(f"{what} ({error.filename or 'while fetching'})")


def _checked(cid: str) -> str:
    """Refuse what is no piece CID: it becomes a file's name and a part of a URL."""
    try:
        commitment_of(cid)
    except ValueError as error:
        raise Permanent(f"a deal of the sector names its piece wrongly: {error}") from None
    return cid
