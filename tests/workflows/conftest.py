"""A stage for the tests of the state machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.world.stage import Stage, staged


@pytest.fixture(scope="module")
async def stage(temporal: Client) -> AsyncIterator[Stage]:
    """Run one stage for a module's tests."""
    async with staged(temporal) as built:
        yield built
