"""Processors that misbehave and managers that answer nonsense: the sector waits or stands still, and goes on after."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.failures import Level
from sealing.flow.state import State
from sealing.processors.programs import SIMULATED
from sealing.sector import thread_id
from tests.survival.program import program
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

MISBEHAVES: list[tuple[str, dict[str, Any], str]] = [
    ("rubbish", {"rubbish": True}, "not JSON"),
    ("dies", {"signal": 9}, "SIGKILL"),
    ("exits", {"exit": 7}, "7"),
    ("hangs", {"hang": True}, "0.5"),
    ("fails", {"fail": "tree-d is wet"}, "tree-d is wet"),
]


@pytest.mark.parametrize(("how", "what", "said"), MISBEHAVES, ids=[how for how, _, _ in MISBEHAVES])
async def test_a_processor_that_misbehaves_parks_with_its_reason(
    temporal: Client, tmp_path: Path, how: str, what: dict[str, Any], said: str
) -> None:
    """Tried three times, then Permanent with what happened; put right and resumed, the sector finishes."""
    del how
    limit = '[processors.time_limit]\ntree_d = "500ms"'
    async with plant(temporal, tmp_path, processors=limit) as built:
        built.simulate(tree_d=what)
        async with working(built):
            status = await built.parked()
            assert status.state is State.PieceAdded
            assert status.failure is not None
            assert status.failure.level is Level.Permanent
            assert said in status.failure.text
            assert "tree_d" in status.failure.text
            built.simulate()
            await built.sector().signal("resume")
            await built.finished()


async def test_a_processor_that_goes_missing_parks_and_is_waited_for(temporal: Client, tmp_path: Path) -> None:
    """The program is removed while the worker runs: Permanent, with its path; put back, a resume goes on."""
    script = tmp_path / "processor"
    script.write_text(f'#!/bin/sh\nexec {" ".join(SIMULATED)} "$@"\n')
    script.chmod(0o755)
    hidden = tmp_path / "hidden"
    async with plant(temporal, tmp_path, processors=f'[[processors.pc2]]\nprotocol = "job"\nbin = "{script}"') as built:
        built.simulate()
        async with working(built):
            script.rename(hidden)
            status = await built.parked()
            assert status.state is State.PC1Done
            assert status.failure is not None
            assert str(script) in status.failure.text
            hidden.rename(script)
            await built.sector().signal("resume")
            await built.finished()


NONSENSE: list[tuple[str, dict[str, Any], str]] = [
    ("wrong type", {"result": {"Ticket": 5, "Epoch": "soon"}}, "Venus.AssignTicket"),
    ("short", {"result": {"Ticket": "AAAA", "Epoch": 1}}, "Venus.AssignTicket"),
    ("null", {"result": None}, "Venus.AssignTicket"),
    ("no such method", {"error": {"code": -32601, "message": "method not found"}}, "method not found"),
]


@pytest.mark.parametrize(("how", "answer", "said"), NONSENSE, ids=[how for how, _, _ in NONSENSE])
async def test_an_answer_that_is_nonsense_parks_with_method_and_value(
    temporal: Client, tmp_path: Path, how: str, answer: dict[str, Any], said: str
) -> None:
    """Permanent, naming the method; after a repair a resume goes on."""
    del how
    async with plant(temporal, tmp_path) as built:
        built.proxy.answers["Venus.AssignTicket"].append(answer)
        async with working(built):
            status = await built.parked()
            assert status.state is State.TreeDBuilt
            assert status.failure is not None
            assert (status.failure.level, status.tries) == (Level.Permanent, 1)
            assert said in status.failure.text
            await built.sector().signal("resume")
            await built.finished()


async def test_an_application_error_is_tried_again(temporal: Client, tmp_path: Path) -> None:
    """Error code 1 is temporary: the next try goes on by itself."""
    async with plant(temporal, tmp_path) as built:
        built.proxy.answers["Venus.AssignTicket"].append({"error": {"code": 1, "message": "chain head is catching up"}})
        async with working(built):
            summary = await built.finished()
            assert {stay.state: stay.tries for stay in summary.stays}[State.TreeDBuilt] == 2


async def test_a_sector_that_the_manager_does_not_know_is_aborted(temporal: Client, tmp_path: Path) -> None:
    """Error 11001 ends the task: its files go, and the reason is in the failure."""
    async with plant(temporal, tmp_path) as built:
        built.proxy.answers["Venus.AssignTicket"].append(
            {"error": {"code": 11001, "message": "error code 11001: sector state not found"}}
        )
        async with working(built):
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert "sector state not found" in str(ended.value.cause)
            assert built.left_behind() == []


async def test_an_outage_of_the_manager_uses_up_nothing(temporal: Client, tmp_path: Path) -> None:
    """Away for longer than all retries would last, the manager is waited for; then the sector goes on by itself."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(tree_d={"seconds": 1})
        async with working(built):
            await built.until(lambda: "PieceAdded" in built.reported(), "the sector to be under way")
            built.proxy.away = True

            async def waits() -> bool:
                described = await built.sector().describe()
                return any(
                    pending.activity_type.name == "assign_ticket" and "503" in pending.last_failure.message
                    for pending in described.raw_description.pending_activities
                )

            await built.until(waits, "the sector's page to say that the manager is away")
            await asyncio.sleep(1)
            built.proxy.away = False
            summary = await built.finished()
            assert {stay.tries for stay in summary.stays} == {1}
            assert built.reported()[-1] == "Finished"


async def test_lost_answers_change_nothing(temporal: Client, tmp_path: Path) -> None:
    """Each call's first answer is lost after it took effect: one sector, each message once, and no failure."""
    async with plant(temporal, tmp_path) as built:
        for method in (
            "AllocateSector", "AssignTicket", "SubmitPreCommit", "PollPreCommitState", "StoreReserveSpace",
            "SubmitPersistedEx", "WaitSeed", "SubmitProof", "PollProofState", "ReportState", "ReportFinalized",
        ):  # fmt: skip
            built.proxy.lose[f"Venus.{method}"] = 1
        async with working(built):
            summary = await built.finished()
            assert {stay.tries for stay in summary.stays} == {1}
            assert len(built.observer.sectors()) == 1
            assert len(built.observer.messages(built.id())) == 2


async def test_a_manager_that_is_not_there_at_the_start_is_waited_for(temporal: Client, tmp_path: Path) -> None:
    """The worker starts, its thread is idle and says why; when the manager comes, a sector is sealed."""
    async with plant(temporal, tmp_path) as built:
        built.simulate()
        built.proxy.away = True
        async with program(built):
            handle = temporal.get_workflow_handle(thread_id(built.config.worker.name, _location(built)))

            async def idle() -> bool:
                found = [one async for one in temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
                pending = (await handle.describe()).raw_description.pending_activities if found else []
                return any("idle" in one.last_failure.message and "503" in one.last_failure.message for one in pending)

            await built.until(idle, "the thread to say that the manager is away")
            built.proxy.away = False
            await built.finished()


def _location(built: Plant) -> Path:
    return built.folder / "threads" / "0"
