"""Folders on disks of their own: an unmounted one is an empty folder of the disk below, and must not be taken for one.

What a folder looks like with its disk is remembered when the worker starts: where the disk is mounted, and whether the
mark is there that ``sealflow store init`` leaves. A folder that is not mounted by then is known by /etc/fstab alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sealing.failures import SealingFailure, Wait
from sealing.stores.layout import HOLDER, STORE_MARK

LOOK_AGAIN = 60.0
"""Seconds until a folder that is gone is looked for again."""
ANSWERS_WITHIN = 10.0
"""Seconds after which a folder that does not answer is taken for gone."""
FSTAB = Path("/etc/fstab")


@dataclass(frozen=True)
class _Seen:
    """A folder when the worker started: the mount point that it is on, and the marks that are in it."""

    mounted_at: Path
    marks: tuple[Path, ...]


@dataclass(frozen=True)
class Mounts:
    """The stores and locations of a machine. A folder that is none of them is never gone."""

    _seen: Mapping[Path, _Seen] = field(default_factory=dict)
    _looks: dict[Path, asyncio.Task[str | None]] = field(default_factory=dict)

    @classmethod
    def remember(cls, folders: Iterable[Path]) -> Mounts:
        """Look at the folders as they are now, with their disks."""
        return cls({folder: _look(folder) for folder in folders})

    async def gone(self, folder: Path) -> str | None:
        """Return in words why a folder is not the one that it was, or None.

        A network store that hangs takes a thread with it: one for all who ask, however long it hangs.
        """
        if folder not in self._seen:
            return None
        look = self._looks.get(folder)
        if look is None or look.done():
            look = self._looks[folder] = asyncio.create_task(asyncio.to_thread(self._gone, folder))
        done, _ = await asyncio.wait({look}, timeout=ANSWERS_WITHIN)
        return look.result() if done else f"{folder} does not answer: its disk or network store hangs"

    def _gone(self, folder: Path) -> str | None:
        seen = self._seen[folder]
        try:
            if not folder.is_dir():
                return f"{folder} is not there: mount its disk, or correct its path"
            if not seen.mounted_at.is_mount():
                return f"{folder} is gone: nothing is mounted at {seen.mounted_at}; mount its disk"
            if lost := [str(mark) for mark in seen.marks if not mark.exists()]:
                return f"{folder} is gone: {lost[0]}, which was there, is not; mount its disk"
        except OSError as error:
            return f"{folder} does not answer: {error.strerror or error}; mount its disk again"
        return None

    async def require(self, *folders: Path) -> None:
        """Raise Wait where one of the folders is gone."""
        for folder in folders:
            if why := await self.gone(folder):
                raise Wait(f"{why}; waiting for it to be back", LOOK_AGAIN)

    @contextlib.asynccontextmanager
    async def on(self, *folders: Path) -> AsyncIterator[None]:
        """Work in folders that are there. What fails because one goes meanwhile is a Wait as well."""
        await self.require(*folders)
        try:
            yield
        except (OSError, SealingFailure):
            await self.require(*folders)
            raise


def _look(folder: Path) -> _Seen:
    marks = tuple(folder / name for name in (STORE_MARK, HOLDER) if (folder / name).exists())
    places = [place for place in (folder, *folder.parents) if place.is_mount() or place in _in_fstab()]
    return _Seen(places[0], marks)


def _in_fstab() -> list[Path]:
    """Return where disks belong, as the machine's administrator has written it down."""
    try:
        lines = FSTAB.read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    # A space in a path is written in octal there.
    return [Path(found[1].replace("\\040", " ")) for found in fields if len(found) > 1 and found[1].startswith("/")]
