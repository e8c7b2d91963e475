"""A sector's pages in Temporal's Web UI, in a browser without a window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

from playwright.async_api import Locator, Page, ViewportSize, async_playwright, expect

from tests.needs import need

VIEWPORT = ViewportSize(width=1400, height=900)
"""Pixels."""
PATIENCE = 30_000
"""Milliseconds that the browser waits for what should appear."""
# Without a sandbox because tests may run as root, without a GPU and with files for shared memory because of containers.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@dataclass(frozen=True)
class WebUi:
    """One page of a browser that stands at a Web UI."""

    url: str
    page: Page

    async def find(self, query: str, workflow: str) -> None:
        """Find a workflow in the list by a query, and open its page."""
        await self.page.goto(f"{self.url}/namespaces/default/workflows?query={quote(query)}")
        await self.page.get_by_role("link", name=workflow, exact=True).click()
        await expect(self.page.get_by_role("heading", name=workflow, level=1)).to_be_visible()

    async def details(self) -> Locator:
        """Open the tab with the current details, and return what renders them: a frame of its own, the last there."""
        await self.page.get_by_role("tab", name="User Metadata").click()
        await expect(self.page.get_by_role("heading", name="Current Details")).to_be_visible()
        return self.page.frame_locator("iframe").last.locator("body")

    async def signal(self, name: str, argument: str) -> None:
        """Send a signal by the page's form."""
        await self.page.get_by_role("button", name="More Actions").click()
        # The page holds a hidden twin of the menu.
        await self.page.get_by_role("menuitem", name="Send a Signal").filter(visible=True).click()
        form = self.page.get_by_role("dialog", name="Send a Signal")
        await form.get_by_role("button", name="Select a signal").click()
        await form.get_by_role("option", name=name).click()
        # The other text box shows the chosen signal, and nothing can be typed there.
        await form.locator("[role=textbox][contenteditable=true]").fill(argument)
        await form.get_by_role("button", name="Submit").click()
        await expect(form).to_be_hidden()

    async def cancel(self) -> None:
        """Press the page's biggest button, and confirm."""
        await self.page.get_by_role("button", name="Request Cancellation").click()
        await self.page.get_by_role("dialog", name="Cancel Workflow").get_by_role("button", name="Confirm").click()

    def standing(self) -> Locator:
        """Return what stands beside the workflow's name: Running, Completed, Failed."""
        return self.page.get_by_role("heading", level=1).locator("xpath=../..")


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[WebUi]:
    """Run a browser for a Web UI, or skip the test."""
    program = need("chromium", "apt-get install chromium, or make setup-system")
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=program, args=FLAGS) as browser,
        await browser.new_page(viewport=VIEWPORT) as page,
    ):
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield WebUi(url, page)
