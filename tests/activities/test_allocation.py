"""How a thread comes by a sector, where its location cannot have one."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from activities import allocation
from activities.allocation import AllocationActivities, Plan
from sealing.failures import Wait
from sealing.manager.client import Manager
from sealing.sector import Settings, ThreadInput
from sealing.stores import durable, space
from sealing.stores.mounts import Mounts


class Thread:
    """A thread whose location is there when the worker starts."""

    def __init__(self, folder: Path) -> None:
        """Make the location."""
        self.location = folder / "thread"
        self.location.mkdir()
        self.manager = AsyncMock(spec=Manager)
        plan = Plan(flow="sealer", settings=Settings(), seal_interval=timedelta(seconds=30))
        mounts = Mounts.remember([self.location])
        self.activities = AllocationActivities(AsyncMock(), self.manager, lambda _: plan, AsyncMock(), mounts)

    async def waits(self) -> Wait:
        """Ask for a sector, and return what the thread waits for: the manager was not asked."""
        given = ThreadInput(worker="w", location=str(self.location), index=0)
        with pytest.raises(Wait) as raised:
            await self.activities.allocate(given)
        self.manager.allocate_sector.assert_not_called()
        return raised.value


async def test_an_unmounted_location_takes_no_sector(tmp_path: Path) -> None:
    """It is not a fresh one: the thread is idle, and nothing is made in its place."""
    thread = Thread(tmp_path)
    durable.remove(thread.location)
    assert str(await thread.waits()) == (
        f"idle: {thread.location} is not there: mount its disk, or correct its path; waiting for it to be back"
    )
    assert list_of(tmp_path) == []


async def test_a_full_location_takes_no_sector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the claim cannot be written no number is burnt."""

    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    thread = Thread(tmp_path)
    monkeypatch.setattr(allocation, "probe_claim", full)
    found = await thread.waits()
    assert str(found) == (
        f"idle: the disk of {thread.location} is full (No space left on device); waiting for space: make room there"
    )
    assert found.delay == space.LOOK_AGAIN


def list_of(folder: Path) -> list[Path]:
    """Return what is in a folder."""
    return list(folder.iterdir())
