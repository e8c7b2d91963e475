"""The room of stores and locations, looked at beside the scrapes: a network store that hangs must not hold one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from sealing.metrics import definitions
from sealing.metrics.standing import gauge
from sealing.stores.mounts import ANSWERS_WITHIN, Mounts

LOOKED_AT_EVERY = 15.0


class Room(NamedTuple):
    """The bytes of a folder's disk."""

    size: int
    free: int


class FolderMetrics(Collector):
    """What was last seen of each folder."""

    def __init__(
        self, mounts: Mounts, stores: Mapping[str, Path], locations: Mapping[str, Path], full: Container[str] = ()
    ) -> None:
        """Take what knows the folders with their disks, the stores by name, and the threads' folders.

        ``full`` are the stores that take no new files: of them only whether they are there is told.
        """
        self._mounts = mounts
        self._stores, self._locations, self._full = stores, locations, full
        self._rooms: dict[Path, Room | None] = {}
        self._looks: dict[Path, asyncio.Task[Room]] = {}

    async def look_for_ever(self) -> None:
        """Look again and again."""
        folders = {*self._stores.values(), *self._locations.values()}
        while True:
            await asyncio.gather(*map(self._look, folders))
            await asyncio.sleep(LOOKED_AT_EVERY)

    async def _look(self, folder: Path) -> None:
        if await self._mounts.gone(folder) is not None:
            self._rooms[folder] = None
            return
        look = self._looks.get(folder)
        if look is None or look.done():
            look = self._looks[folder] = asyncio.create_task(asyncio.to_thread(room, folder))
        done, _ = await asyncio.wait({look}, timeout=ANSWERS_WITHIN)
        self._rooms[folder] = look.result() if done and not look.exception() else None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. What is gone has no room, and what was not looked at yet is not told."""
        yield from self._shown(self._stores, definitions.STORE_UP, definitions.STORE_FREE, definitions.STORE_SIZE)
        yield from self._shown(
            self._locations, definitions.LOCATION_UP, definitions.LOCATION_FREE, definitions.LOCATION_SIZE
        )

    def _shown(self, folders: Mapping[str, Path], *metrics: definitions.Definition) -> Iterator[Metric]:
        up, free, size = (gauge(each) for each in metrics)
        for name, folder in folders.items():
            if folder not in self._rooms:
                continue
            seen = self._rooms[folder]
            up.add_metric([name], 0 if seen is None else 1)
            # Some network file systems tell no total, and then no rest.
            if seen is not None and seen.size and name not in self._full:
                free.add_metric([name], seen.free)
                size.add_metric([name], seen.size)
        yield from (up, free, size)


def room(folder: Path) -> Room:
    """Return the bytes of a folder's disk. Raises OSError, and may hang as long as the disk does."""
    usage = shutil.disk_usage(folder)
    return Room(usage.total, usage.free)
