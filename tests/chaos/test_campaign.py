"""A short campaign, and one whose site does not recover."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.chaos.attack import Attack
from tests.chaos.blows import Blow
from tests.chaos.campaign import Plan, campaign
from tests.chaos.report import as_json, lines
from tests.conftest import REQUIRE_ALL

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]

KILLS = 6


async def test_a_short_campaign_loses_nothing(tmp_path: Path) -> None:
    """Whatever is killed, each sector goes on by itself, and every one that was given out is finished once."""
    told: list[str] = []
    report = await campaign(tmp_path, Plan(KILLS, seed=5), told.append, asyncio.Event())
    assert report.wrong == [], "\n".join([*told, lines(report)])
    assert report.recoveries == report.kills == KILLS
    assert report.sectors >= report.adopted > 0
    assert json.loads(as_json(report))["kills"] == KILLS
    assert report.skipped == [] or not os.environ.get(REQUIRE_ALL)


async def stays_dead(attack: Attack) -> str:
    """Kill the worker, and start none."""
    await attack.site.worker.kill()
    return "for good"


async def test_a_kill_that_is_not_recovered_from_is_told(tmp_path: Path) -> None:
    """It ends the blows and is no recovery; what is left is looked at all the same, once the worker is there again."""
    plan = Plan(2, seed=1, threads=1, blows=(Blow("worker", stays_dead),), within=10)
    report = await campaign(tmp_path, plan, lambda _: None, asyncio.Event())
    assert (report.kills, report.recoveries) == (1, 0)
    (line,) = report.wrong
    assert "after the blow 'worker' (for good): s-t01000-1 did not go on within 10 s" in line
    assert report.sectors == 1
