"""A stage for the tests of the state machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.world.stage import Stage, staged


@pytest.fixture(scope="package")
async def stage(temporal: Client) -> AsyncIterator[Stage]:
    """Run one stage for the tests of this folder."""
    async with staged(temporal) as built:
        yield built
