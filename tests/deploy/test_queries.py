"""Every panel and every alert, asked of a Prometheus that has scraped a fleet that lives."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from deploy.dashboards.files import BUILDERS
from deploy.dashboards.pictures import pictures
from deploy.dashboards.reading import panels
from deploy.stack.stack import Stack
from tests.deploy.living import living
from tests.deploy.prometheus import prometheus
from tests.deploy.test_rules import alerts

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

LIVES = 75.0
"""Seconds in which sectors are sealed, upgraded, parked, and counted, which is once a minute on a busy machine."""
TAKE = "SEALFLOW_PICTURES"
"""Set by make pictures, to the seconds that the fleet lives: the pictures in docs/dashboards are drawn anew."""
PICTURES = Path(__file__).parents[2] / "docs" / "dashboards"
VALUES = {"window": "1m", "__rate_interval": "10s", "instance": ".*", "sector": "s-t01000-1"}
EMPTY = {
    "Who waits for what": "nobody waits at this moment",
    "Failed workflow tasks by reason": "every task ended well",
    "Time of a replay, 95 %": "no workflow left the cache",
    "Calls that failed": "the server has not refused anything",
    "Errors of the server": "the same, as the server tells it",
    "Errors of the database": "the database has refused nothing",
}
"""Panels that may show nothing, and why."""
FIRING = {
    "SealflowSectorsParked",
    "SealflowJobsRestarted",
    "SealflowStoreAlmostFull",
    "SealflowLocationAlmostFull",
}
"""Alerts that speak: a sector is parked and jobs fail on purpose, and the disk is as it is."""
SILENT_WITHIN = 30
SHOWN_WITHIN = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder whose name is short: it is in the pictures."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as made:
        yield Path(made)


@pytest.fixture
async def url(stack: Stack, production: Client, folder: Path) -> AsyncIterator[str]:
    """Return the URL of a Prometheus that has scraped a fleet which lives yet, and its production server."""
    server = (f"127.0.0.1:{stack.ports.temporal_metrics}",)
    async with (
        living(production, folder / "fleet") as fleet,
        prometheus(folder / "prometheus", {"sealflow": fleet.workers, "temporal": server}) as running,
    ):
        await asyncio.sleep(float(os.environ.get(TAKE) or LIVES))
        yield running


async def found(http: httpx.AsyncClient, expression: str) -> int:
    """Return how many series a query finds. It must be one that Prometheus understands."""
    answer = (await http.get("/api/v1/query", params={"query": expression})).json()
    assert answer["status"] == "success", f"{expression}\n{answer}"
    return len(answer["data"]["result"])


async def _until_all_have_shown_something(http: httpx.AsyncClient) -> None:
    """Ask each query until it has found something once: a rate is empty where a scrape or two came late."""
    queries = [(panel.title, query) for name in BUILDERS for panel in panels(name) for query in panel.queries]
    for _ in range(SHOWN_WITHIN):
        queries = [(title, query) for title, query in queries if not await found(http, query.with_values(VALUES))]
        if {title for title, _ in queries} <= EMPTY.keys():
            return
        await asyncio.sleep(1)
    assert {title for title, _ in queries} <= EMPTY.keys()


async def _until_others_are_silent(http: httpx.AsyncClient) -> None:
    """Wait until only those alerts speak that must, without what they wait for: one late scrape is no worker away."""
    for _ in range(SILENT_WITHIN):
        told = {alert["alert"] for alert in alerts() if await found(http, alert["expr"])}
        if told <= FIRING:
            return
        await asyncio.sleep(1)
    assert told <= FIRING


async def test_what_is_asked_is_answered(url: str) -> None:
    """Each panel shows something, or is known to be empty; each alert is a query, and those that must are silent."""
    async with httpx.AsyncClient(base_url=url) as http:
        await _until_all_have_shown_something(http)
        await _until_others_are_silent(http)
    if os.environ.get(TAKE):
        await asyncio.to_thread(pictures, url, PICTURES, float(os.environ[TAKE]) / 60)
