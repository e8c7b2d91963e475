"""Fixtures for the embedded manager."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.devnet.world import World, config_for, running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Run an embedded manager with a store named ``store``."""
    (tmp_path / "store").mkdir()
    async with running(config_for(tmp_path / "devnet", stores={"store": tmp_path / "store"})) as running_world:
        yield running_world
