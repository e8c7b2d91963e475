"""An operator finds a sector that stands still in the Web UI, reads why, and sets it going: all in a browser."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.flow.state import State
from tests.clients.browser import WebUi, browsing
from tests.world.plant import Plant, plant, working
from workers.devserver import DevServer

pytestmark = pytest.mark.server

PICTURE = Path(__file__).parents[2] / "docs" / "web-ui.png"
TAKE = "SEALFLOW_SCREENSHOTS"
"""Set by make screenshots: the pictures in docs/ are taken anew."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder whose name is short: it is in the picture."""
    with tempfile.TemporaryDirectory(prefix="sealing-") as made:
        yield Path(made)


@pytest.fixture
async def ui(server: DevServer) -> AsyncIterator[WebUi]:
    """Return a browser at the Web UI of the tests' Temporal server."""
    async with browsing(server.ui_url) as opened:
        yield opened


async def listed(built: Plant, query: str) -> None:
    """Wait until a query finds a workflow: the list in the browser does not look again by itself."""

    async def found() -> bool:
        return (await built.client.count_workflows(query)).count == 1

    await built.until(found, f"a workflow with {query}")


async def test_a_parked_sector_is_found_understood_and_resumed(ui: WebUi, temporal: Client, folder: Path) -> None:
    """The list finds it, its page says why it stands still, the page's form takes it back, and it finishes."""
    async with plant(temporal, folder) as built:
        built.simulate(pc2={"fail": "CUDA error: out of memory", "times": 3})
        async with working(built):
            await built.parked()
            query = f'SectorId = "{built.id()}" AND Parked = true'
            await listed(built, query)
            await ui.find(query, built.sector().id)
            details = await ui.details()
            for line in ("PC1Done, parked", "Permanent: pc2 failed: CUDA error: out of memory (tried 3 times)"):
                await expect(details).to_contain_text(line)
            if os.environ.get(TAKE):
                await ui.page.screenshot(path=PICTURE)
            await ui.signal("resume", '"TreeDBuilt"')
            summary = await built.finished()
            assert [stay.state for stay in summary.stays].count(State.TreeDBuilt) == 2
            await expect(ui.standing()).to_contain_text("Completed")


async def test_the_biggest_button_aborts_the_task(ui: WebUi, temporal: Client, tmp_path: Path) -> None:
    """Request Cancellation ends the task as an abort does: with that failure, and with no file left."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            query = f'SectorId = "{built.id()}"'
            await listed(built, query)
            await ui.find(query, built.sector().id)
            await ui.cancel()
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert isinstance(ended.value.cause, ApplicationError)
            assert ended.value.cause.type == "Aborted"
            assert built.left_behind() == []
            await expect(ui.standing()).to_contain_text("Failed")
