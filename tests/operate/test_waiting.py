"""Who waits, since when and for what: in the list of a worker's threads, and in its metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.operate.command import on_worker
from tests.world.plant import Plant, plant, working
from tests.world.scraped import METRICS, scrape
from workers.devserver import pick_port

pytestmark = pytest.mark.server

GPU = """\
[processors.limitation.concurrent]
pc1 = 2
[processors.ext_locks]
gpu = 1
[[processors.pc2]]
locks = ["gpu"]
[[processors.c2]]
locks = ["gpu"]
"""


async def rows_once(built: Plant, condition: Callable[[list[dict[str, Any]]], bool], what: str) -> list[dict[str, Any]]:
    """Return the list of threads as soon as a condition holds."""
    found: list[dict[str, Any]] = []

    async def holds() -> bool:
        found[:] = (await on_worker(built, "list", "--json")).json
        return condition(found)

    await built.until(holds, what)
    return found


async def test_who_waits_since_when_and_for_what(temporal: Client, tmp_path: Path) -> None:
    """Of two sectors at PC2 that share a GPU one waits; the list says for whom, and the metrics count it."""
    port = pick_port(None)
    metrics = METRICS.format(port=port)
    async with plant(temporal, tmp_path, sectors=2, threads=2, processors=GPU, worker=metrics) as built:
        shown = tmp_path / "shown"
        built.simulate(pc2={"until": str(shown), "times": 1})
        async with working(built):
            rows = await rows_once(built, lambda rows: any(row["waits"] for row in rows), "a sector that waits")
            seen = await scrape(port)
            (waiting,) = (row for row in rows if row["waits"])
            (other,) = (row for row in rows if not row["waits"])
            assert waiting["waits"]["stage"] == "pc2"
            assert waiting["waits"]["for"] == f"lock gpu: held by {other['sector']} pc2"
            assert datetime.fromisoformat(waiting["waits"]["since"]).tzinfo is not None
            assert waiting["doing"].startswith("pc2 waits ")
            assert other["doing"].startswith("pc2 running")
            table = await on_worker(built, "list")
            assert "for lock gpu: held by" in " ".join(table.out.split())
            shown.touch()
            await built.finished(1)
            await built.finished(2)
    assert seen.value("sealflow_lock_held", lock="gpu") == seen.value("sealflow_lock_total", lock="gpu") == 1
    assert seen.value("sealflow_lock_waiting", lock="gpu") == 1
    assert seen.value("sealflow_stage_waiting", stage="pc2", lack="lock") == 1
    assert 0 < seen.value("sealflow_stage_longest_wait_seconds", stage="pc2") < 60
    assert seen.value("sealflow_stage_slots_used", stage="pc2") == 1
    assert 0 < seen.value("sealflow_stage_longest_run_seconds", stage="pc2") < 60
    assert seen.value("sealflow_stage_slots_total", stage="pc1") == 2
