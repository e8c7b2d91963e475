"""``config.toml`` in a thread's location, changed while the worker runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.sector import thread_id
from tests.operate.command import on_worker
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server


def hot(built: Plant) -> Path:
    """Return the first thread's file."""
    return built.folder / "threads" / "0" / "config.toml"


async def listed(built: Plant) -> dict[str, str]:
    """Return what ``worker list`` says of the first thread."""
    row: dict[str, str] = (await on_worker(built, "list", "--json")).json[0]
    return row


async def test_a_change_of_plan_switches_the_next_task(temporal: Client, tmp_path: Path) -> None:
    """The thread that has sealed a sector upgrades it, without a restart."""
    async with plant(temporal, tmp_path) as built, working(built):
        await built.finished()
        built.deal(b"what a client wants to have back")
        hot(built).write_text('plan = "snapup"\n')
        built.flow = "snapup"
        await built.finished()
        assert (await listed(built))["plan"] == "snapup"


async def test_a_broken_one_is_seen_while_the_thread_is_idle(temporal: Client, tmp_path: Path) -> None:
    """The last good one counts on, and the list says which line is broken, until it is put right."""
    async with plant(temporal, tmp_path, sectors=0) as built:
        hot(built).write_text('plan = "snapup"\n')
        async with working(built):
            await built.until(lambda: built.proxy.count("Venus.AllocateSanpUpSector"), "the thread to ask")
            hot(built).write_text("\n\nplan = \n")

            async def told() -> bool:
                return "config.toml is broken: line 3:" in (await listed(built))["doing"]

            await built.until(told, "the broken file to be told")
            doing = (await listed(built))["doing"]
            assert doing.startswith("idle: the manager has no sector to give; the hot configuration")
            assert doing.endswith("; what was read before still counts")
            assert "is broken: line 3:" in (await on_worker(built, "list")).out
            assert built.proxy.count("Venus.AllocateSector") == 0
            hot(built).unlink()
            await built.until(lambda: built.proxy.count("Venus.AllocateSector"), "the base settings to count")


async def test_a_broken_one_is_seen_while_the_thread_seals(temporal: Client, tmp_path: Path) -> None:
    """A worker that starts with a broken file goes by its own, and thread, page and list say so."""
    async with plant(temporal, tmp_path) as built:
        hot(built).write_text("plan = 'wdpost'\n")
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            row = await listed(built)
            assert (row["plan"], row["state"]) == ("sealer", "TicketAssigned")
            assert 'broken: line 1: plan = "wdpost": window PoSt is not supported' in row["last_error"]
            assert "the settings of the worker's own file count" in row["last_error"]
            handle = temporal.get_workflow_handle(thread_id(built.config.worker.name, hot(built).parent))
            details = await handle.query("__temporal_workflow_metadata")
            assert "is broken: line 1" in details.current_details
