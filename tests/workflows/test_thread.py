"""The sealing thread's workflow: one sector after the other, whatever becomes of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.sector import thread_id
from tests.workflows.histories import keep
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server


def of(built: Plant) -> str:
    """Return the id of the plant's first thread."""
    return thread_id(built.config.worker.name, built.folder / "threads" / "0")


async def test_a_thread_seals_one_sector_after_the_other(temporal: Client, tmp_path: Path) -> None:
    """It begins the next when the one before has ended, and continues as new, so that its history stays short."""
    async with plant(temporal, tmp_path, sectors=3) as built, working(built):
        for number in (1, 2, 3):
            await built.finished(number)
        described = await temporal.get_workflow_handle(of(built)).describe()
        assert described.history_length < 40
        ended = [found async for found in temporal.list_workflows(f"WorkflowId = '{of(built)}'") if found.close_time]
        assert len(ended) >= 2
        await keep(temporal.get_workflow_handle(of(built), run_id=ended[-1].run_id), "thread")


async def test_a_thread_rests_after_a_sector_that_was_not_finished_and_only_then(
    temporal: Client, tmp_path: Path
) -> None:
    """A finished sector's thread asks for the next one at once; what ends every sector uses up no numbers in vain."""
    async with plant(temporal, tmp_path, sectors=3) as built:
        text = built.file.read_text()
        assert 'seal_interval = "50ms"' in text
        built.file.write_text(text.replace('seal_interval = "50ms"', 'seal_interval = "1h"'))
        async with working(built):
            await built.finished(1)
            await built.until(lambda: bool(built.reported(2)), "the next sector to be begun")
            await built.sector(2).signal("abort")
            handle = temporal.get_workflow_handle(of(built))

            async def rests() -> bool:
                return bool((await handle.query("status"))["doing"] == "rests")

            await built.until(rests, "the thread to rest")
            assert len(built.observer.sectors()) == 2
            await keep(handle, "thread-rests")


async def test_a_thread_without_a_sector_is_idle_at_no_cost(temporal: Client, tmp_path: Path) -> None:
    """While the manager has none to give, no event is written, and the reason can be read on the thread's page."""
    async with plant(temporal, tmp_path, sectors=0) as built, working(built):
        handle = temporal.get_workflow_handle(of(built))
        await built.until(lambda: built.proxy.count("Venus.AllocateSector") >= 3, "three questions for a sector")
        described = await handle.describe()
        assert described.history_length == 5
        (pending,) = described.raw_description.pending_activities
        assert "idle: the manager has no sector to give" in pending.last_failure.message


async def test_a_thread_that_was_terminated_takes_its_sector_up_again(temporal: Client, tmp_path: Path) -> None:
    """Started anew by the next worker, the thread finds its claim, waits for that sector, and burns no number."""
    async with plant(temporal, tmp_path, sectors=2) as built:
        built.simulate(pc1={"seconds": 2, "times": 1})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(1), "PC1 to run")
            await temporal.get_workflow_handle(of(built)).terminate("by mistake")
        async with working(built):
            await built.finished(1)
            await built.finished(2)
        assert len(built.observer.sectors()) == 2
