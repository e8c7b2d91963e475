"""Pause, resume and abort while a sector is at something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.flow.state import State
from sealing.processors.job import running_jobs
from tests.workflows.histories import keep
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server


def jobs(built: Plant) -> list[str]:
    """Return the stages whose jobs run on the plant's machine."""
    return [job.path.name for job in running_jobs(built.folder / "threads" / "0" / "data" / "jobs")]


def starts(built: Plant, stage: str) -> int:
    """Return how often a stage was started."""
    counts = json.loads((built.folder / "simulated.json.counts").read_text())
    return int(counts.get(stage, 0))


async def test_a_pause_lets_a_computation_run_on_and_its_result_is_taken(temporal: Client, tmp_path: Path) -> None:
    """PC1 goes on while the sector stands still; resumed, the sector takes its output and computes nothing again."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 1.5})
        async with working(built):
            await built.until(lambda: "pc1" in jobs(built), "PC1 to run")
            await built.sector().signal("pause")
            status = await built.parked()
            assert (status.state, status.failure) == (State.TicketAssigned, None)
            assert jobs(built) != []
            await built.until(lambda: not jobs(built), "PC1 to end")
            await built.sector().signal("resume")
            await built.finished()
            assert starts(built, "pc1") == 1
            await keep(built.sector(), "sealer-paused")


async def test_a_pause_ends_a_wait_for_the_chain_at_once(temporal: Client, tmp_path: Path) -> None:
    """A sector that polls stands still, asks no more, and goes on when resumed."""
    async with plant(temporal, tmp_path, landed_after=40, packed_after=1) as built, working(built):
        await built.until(lambda: built.proxy.count("Venus.PollPreCommitState") >= 2, "two polls")
        await built.sector().signal("pause", "to look at it")
        assert (await built.parked()).state is State.PCSubmitted
        asked = built.proxy.count("Venus.PollPreCommitState")
        await built.sector().signal("resume")
        await built.until(lambda: built.proxy.count("Venus.PollPreCommitState") > asked + 1, "polls to go on")
        await built.finished()
        await keep(built.sector(), "sealer-paused-in-poll")


async def test_a_resume_cuts_the_wait_before_the_next_try_short(temporal: Client, tmp_path: Path) -> None:
    """After a temporary failure nobody has to wait for recover_interval."""
    async with plant(temporal, tmp_path, sealing="") as built:
        text = built.file.read_text().replace('recover_interval = "100ms"', 'recover_interval = "1h"')
        built.file.write_text(text)
        built.simulate(tree_d={"fail": "once", "times": 1})
        async with working(built):

            async def recovering() -> bool:
                return "PieceAdded" in built.reported() and (await built.status()).recovering

            await built.until(recovering, "the sector to wait before its next try")
            await built.sector().signal("resume")
            await built.finished()
            await keep(built.sector(), "sealer-resumed-early")


async def test_an_abort_kills_the_job_and_removes_every_file(temporal: Client, tmp_path: Path) -> None:
    """While PC1 runs: its processes end, nothing of the sector stays, the manager is told once, with the reason."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: "pc1" in jobs(built), "PC1 to run")
            await built.sector().signal("abort", {"reason": "wrong miner"})
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert "wrong miner" in str(ended.value.cause)
            assert jobs(built) == []
            assert built.left_behind() == []
            assert [row.end_reason for row in built.observer.sectors()] == ["wrong miner"]
            assert built.proxy.count("Venus.ReportAborted") == 1
            await keep(built.sector(), "sealer-aborted-while-running")


async def test_commands_in_one_moment_are_carried_out_in_their_order(temporal: Client, tmp_path: Path) -> None:
    """A pause and the resume that follows at once leave the sector running; nothing is lost between them."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 1})
        async with working(built):
            await built.until(lambda: "pc1" in jobs(built), "PC1 to run")
            for command in ("pause", "resume", "pause", "resume"):
                await built.sector().signal(command)
            await built.finished()
            assert starts(built, "pc1") == 1
