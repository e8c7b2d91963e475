"""``sealflow worker -c FILE``: the seed's own form, by the thread's index."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from sealing.flow.state import State
from sealing.sector import thread_id
from tests.operate.command import on_worker
from tests.workflows.histories import keep
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server


async def says(thread: WorkflowHandle[Any, Any], why: str) -> bool:
    """Tell whether a thread has refused the last command for a reason."""
    answer = await thread.query("last_command")
    return answer is not None and answer["refused"] == why


async def standing(built: Plant, index: int = 0) -> str:
    """Return how a thread stands, as the list says."""
    rows = (await on_worker(built, "list", "--json")).json
    return str(rows[index]["standing"])


async def test_the_seeds_first_example(temporal: Client, tmp_path: Path) -> None:
    """``worker resume --state Abort --index 0`` ends what cannot be recovered; the thread goes on to the next task."""
    async with plant(temporal, tmp_path, sectors=2, policy='expired_ticket = "park"') as built:
        expired = {"result": {"Res": 4, "Desc": "ticket expired: ticket epoch 1, head 9999, lifetime 3780"}}
        built.proxy.answers["Venus.SubmitPreCommit"].append(expired)
        async with working(built):
            await built.parked(1)
            listed = await on_worker(built, "list")
            assert listed.status == 0
            assert "ticket expired" in listed.out
            ended = await on_worker(built, "resume", "--state", "Abort", "--index", "0")
            assert (ended.status, ended.out) == (
                0,
                f"{built.id()}: abort: resumed to Abort by an operator; now Aborted\n",
            )
            with pytest.raises(WorkflowFailureError):
                await built.finished(1)
            await built.finished(2)


async def test_the_seeds_second_example(temporal: Client, tmp_path: Path) -> None:
    """``worker resume --state TreeDBuilt --index 0`` takes a sector with an expired ticket back, and it finishes."""
    async with plant(temporal, tmp_path, policy='expired_ticket = "park"') as built:
        expired = {"result": {"Res": 4, "Desc": "ticket expired: ticket epoch 1, head 9999, lifetime 3780"}}
        built.proxy.answers["Venus.SubmitPreCommit"].append(expired)
        async with working(built):
            assert (await built.parked()).state is State.PC2Done
            resumed = await on_worker(built, "resume", "--state", "TreeDBuilt", "--index", "0")
            assert (resumed.status, resumed.out) == (0, f"{built.id()}: resume TreeDBuilt; now TreeDBuilt\n")
            summary = await built.finished()
            assert [stay.state for stay in summary.stays].count(State.TicketAssigned) == 2


async def test_a_running_sector_is_paused_and_resumed_and_aborted_by_its_index(
    temporal: Client, tmp_path: Path
) -> None:
    """The list shows each change; a wrong index, a resume of what runs, and what means another sector are refused."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            refused = await on_worker(built, "resume", "--index", "0")
            assert refused.status == 1
            assert "the sector is running in TicketAssigned" in refused.err
            assert (await on_worker(built, "pause", "--index", "0", "--now")).status == 0
            assert await standing(built) == "paused"
            assert (await on_worker(built, "resume", "--index", "0")).status == 0
            assert await standing(built) == "runs"
            wrong = await on_worker(built, "pause", "--index", "7")
            assert (wrong.status, wrong.err) == (
                1,
                f"sealflow: there is no thread 7: {built.file} has 1, the first is 0\n",
            )
            gone = await on_worker(built, "abort", "--index", "0", "--sector", f"t0{built.miner}-7")
            meant = f"s-t0{built.miner}-7 is meant, and here is {built.id()}: nothing was done"
            assert (gone.status, gone.err) == (1, f"sealflow: {meant}\n")
            thread = temporal.get_workflow_handle(thread_id(built.config.worker.name, tmp_path / "threads" / "0"))
            await thread.signal("abort", {"sector": f"{built.miner}-7"})
            await built.until(partial(says, thread, meant), "the signal to be refused")
            assert await standing(built) == "runs"
            named = ("--sector", str(built.id()), "--reason", "enough")
            assert (await on_worker(built, "abort", "--index", "0", *named)).status == 0
            with pytest.raises(WorkflowFailureError):
                await built.finished()
            assert [row.end_reason for row in built.observer.sectors()] == ["enough"]


async def test_a_drained_machine_finishes_and_takes_no_new_sector(temporal: Client, tmp_path: Path) -> None:
    """Drained under way it seals its sector to the end and asks no more, also after a restart, until undrained."""
    async with plant(temporal, tmp_path, sectors=2) as built:
        built.simulate(pc1={"seconds": 1, "times": 1})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            drained = await on_worker(built, "drain")
            assert drained.out == f"worker {built.config.worker.name} takes no new sectors (1 threads)\n"
            await built.finished(1)

            async def idle() -> bool:
                return await standing(built) == "drained"

            await built.until(idle, "the thread to be drained")
        async with working(built):
            assert await standing(built) == "drained"
            assert len(built.observer.sectors()) == 1
            await on_worker(built, "undrain")
            await built.finished(2)
            thread = temporal.get_workflow_handle(thread_id(built.config.worker.name, tmp_path / "threads" / "0"))
            await keep(thread, "thread-drained")


async def test_an_idle_thread_that_is_paused_asks_for_nothing(temporal: Client, tmp_path: Path) -> None:
    """A pause of a thread without a sector ends its asking; an abort is refused there; a resume lets it ask again."""
    async with plant(temporal, tmp_path, sectors=0) as built, working(built):
        await built.until(lambda: built.proxy.count("Venus.AllocateSector") >= 2, "the thread to ask")
        assert (await on_worker(built, "pause", "--index", "0")).status == 0
        asked = built.proxy.count("Venus.AllocateSector")
        assert await standing(built) == "paused"
        refused = await on_worker(built, "abort", "--index", "0")
        assert (refused.status, refused.err) == (1, "sealflow: the thread has no sector to abort\n")
        assert built.proxy.count("Venus.AllocateSector") == asked
        assert (await on_worker(built, "resume", "--index", "0")).status == 0
        await built.until(lambda: built.proxy.count("Venus.AllocateSector") > asked, "the thread to ask again")
        thread = temporal.get_workflow_handle(thread_id(built.config.worker.name, tmp_path / "threads" / "0"))
        await keep(thread, "thread-paused")
