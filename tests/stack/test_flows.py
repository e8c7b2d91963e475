"""Both flows on the production server, and what they survive there: the end of the database, and of the server."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from deploy.stack.part import Part
from deploy.stack.stack import Stack
from tests.stack.flows import seal_and_upgrade
from tests.stack.scrapes import jobs_up
from tests.world.plant import Plant

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

AWAY = 2.0
"""Seconds that a killed program stays away: the stage that computes ends meanwhile."""


async def test_a_sector_is_sealed_and_upgraded(stack: Stack, production: Client, tmp_path: Path) -> None:
    """Every state, each stage once; the data comes back; Prometheus has the worker and the server meanwhile."""

    async def are_scraped(built: Plant) -> None:
        await built.until(lambda: jobs_up(stack), "Prometheus to have scraped both")

    await seal_and_upgrade(stack, production, tmp_path, snap_prove=are_scraped)


async def test_a_kill_of_what_keeps_the_histories_loses_nothing(
    stack: Stack, production: Client, tmp_path: Path
) -> None:
    """The database, then the server killed by -9 while a stage computes, and started again: nothing is done twice."""

    async def kill(part: Part, _: Plant) -> None:
        await part.kill()
        await asyncio.sleep(AWAY)
        await part.start()

    database, server = partial(kill, stack.postgres), partial(kill, stack.temporal)
    await seal_and_upgrade(stack, production, tmp_path, pc1=database, snap_prove=server)


async def test_the_web_ui_shows_the_namespace(stack: Stack) -> None:
    """Its pages are served, and it finds the namespace, which keeps closed workflows for 90 days."""
    async with httpx.AsyncClient(base_url=stack.web_ui.url) as http:
        assert "<html" in (await http.get("/")).text
        found: dict[str, Any] = (await http.get("/api/v1/namespaces/default")).json()
    assert found["config"]["workflowExecutionRetentionTtl"] == f"{90 * 24 * 3600}s"
