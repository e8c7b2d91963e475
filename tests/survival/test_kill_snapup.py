"""The worker is killed by -9 at every state of an upgrade: the sector is upgraded once, and its data is right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.devnet.retrieve import retrieve
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.processors.programs import SIMULATED
from tests.survival.program import WorkerProgram, program
from tests.survival.test_kill import again, kill_after, kill_at
from tests.world.plant import Plant, plant

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

STAGES = ("snap_encode", "snap_vanilla", "snap_prove", "verify_snap")
STATES = [state.value for state in SNAPUP.rows if state is not State.Empty]
GROUPS = [STATES[:4], STATES[4:]]
CONTENT = bytes(range(256)) * 6


WITH_EFFECT = ("Venus.SubmitSnapUpProof", "Venus.ReportFinalized")
Blow = Callable[[Plant, WorkerProgram, str], asyncio.Event]


async def killed(client: Client, folder: Path, blow: Blow, when: str) -> None:
    """Kill the worker at a moment of the upgrade, and start it again."""
    async with plant(client, folder) as built:
        async with program(built):
            await built.finished()
        built.plan("snapup")
        deal = built.deal(CONTENT)
        built.simulate(snap_encode={"seconds": 0.3}, snap_prove={"seconds": 0.3})
        async with program(built) as worker:
            await again(worker, blow(built, worker, when))
            summary = await built.finished()
            assert summary.state is State.Finished
            counts = json.loads((built.folder / "simulated.json.counts").read_text())
            assert {stage: counts[stage] for stage in STAGES} == dict.fromkeys(STAGES, 1), "computed twice"
            assert built.left_behind() == []
        await retrieve(built.devnet.config, SIMULATED, deal.piece_cid, folder / "back")
        assert (folder / "back").read_bytes() == CONTENT


@pytest.mark.parametrize("states", GROUPS, ids=lambda states: f"{states[0]}-{states[-1]}")
async def test_a_kill_in_any_state_of_an_upgrade_loses_nothing(
    temporal: Client, tmp_path: Path, states: list[str]
) -> None:
    """Whatever state the upgrade has just entered, the next worker finishes it, and computes nothing twice."""
    await asyncio.gather(*(killed(temporal, tmp_path / state, kill_at, state) for state in states))


async def test_a_kill_before_the_answer_arrives_loses_no_upgrade(temporal: Client, tmp_path: Path) -> None:
    """The manager has the proof, or the task's end, and the worker knows nothing of it: the upgrade is no less done."""
    await asyncio.gather(*(killed(temporal, tmp_path / method, kill_after, method) for method in WITH_EFFECT))
