"""The worker is killed by -9 at every state, and between what the manager did and its answer: nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sealing.devnet.pool import Kind
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from tests.survival.program import WorkerProgram, program
from tests.world.plant import Plant, plant

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

STAGES = ("add_pieces", "tree_d", "pc1", "pc2", "synthetic_proofs", "c1", "c2", "verify_seal")
STATES = [state.value for state in SEALER.rows if state is not State.Empty]
AT_ONCE = 6
"""Plants that run side by side: each waits most of the time, for the server to notice that its worker has gone."""
GROUPS = [STATES[start : start + AT_ONCE] for start in range(0, len(STATES), AT_ONCE)]

WITH_EFFECT = (
    "Venus.AllocateSector",
    "Venus.AssignTicket",
    "Venus.SubmitPreCommit",
    "Venus.StoreReserveSpace",
    "Venus.SubmitPersistedEx",
    "Venus.SubmitProof",
    "Venus.ReportFinalized",
)
CALLS = [WITH_EFFECT[:4], WITH_EFFECT[4:]]


async def sealed_once(built: Plant, failed: str = "") -> None:
    """Check that the one sector has finished, with nothing left behind or done twice, but for a stage that failed."""
    summary = await built.finished()
    assert summary.state is State.Finished
    assert len(built.observer.sectors()) == 1, "a sector number was burnt"
    messages = built.observer.messages(built.id())
    assert [message.kind for message in messages] == [Kind.PRECOMMIT, Kind.PROOF]
    assert [message.replaced_at for message in messages] == [None, None]
    assert built.observer.timeline(built.id()).proof_verified
    counts: Counter[str] = Counter(json.loads((built.folder / "simulated.json.counts").read_text()))
    assert {stage: counts[stage] for stage in STAGES if counts[stage] > 1 and stage != failed} == {}, "computed twice"
    assert built.left_behind() == []


async def killed_at(client: Client, folder: Path, state: str) -> None:
    """Kill the worker in the moment in which it reports a state, start it again, and check the sector."""
    async with plant(client, folder, proof_types=(10,) if state == "SyntheticPoRepNeeded" else (5,)) as built:
        built.simulate(pc1={"seconds": 0.3}, c2={"seconds": 0.3})
        async with program(built) as worker:
            await again(worker, kill_at(built, worker, state))
            await sealed_once(built)


async def killed_after(client: Client, folder: Path, method: str) -> None:
    """Kill the worker when the manager has done what was asked and the answer is on its way."""
    async with plant(client, folder) as built:
        built.simulate()
        async with program(built) as worker:
            await again(worker, kill_after(built, worker, method))
            await sealed_once(built)


def kill_after(built: Plant, worker: WorkerProgram, method: str) -> asyncio.Event:
    """Kill the worker when the manager has first done what a method is for; gives what tells that this has happened."""
    killed = asyncio.Event()

    async def kill(called: str, _: list[Any]) -> None:
        if called == method and not killed.is_set():
            worker.kill()
            killed.set()

    built.proxy.after = kill
    return killed


def kill_at(built: Plant, worker: WorkerProgram, state: str) -> asyncio.Event:
    """Kill the worker in the moment in which it first reports a state; gives what tells that this has happened."""
    killed = asyncio.Event()

    async def kill(method: str, params: list[Any]) -> None:
        if method == "Venus.ReportState" and params[1]["StateChange"]["Next"] == state and not killed.is_set():
            worker.kill()
            killed.set()

    built.proxy.before = kill
    return killed


async def again(worker: WorkerProgram, killed: asyncio.Event) -> None:
    """Wait for the kill and start the worker anew."""
    async with asyncio.timeout(60):
        await killed.wait()
        await worker.gone()
    await worker.start()


@pytest.mark.parametrize("states", GROUPS, ids=lambda states: f"{states[0]}-{states[-1]}")
async def test_a_kill_in_any_state_loses_nothing(temporal: Client, tmp_path: Path, states: list[str]) -> None:
    """Whatever state the sector has just entered, the next worker finishes it: each stage once, each message once."""
    await asyncio.gather(*(killed_at(temporal, tmp_path / state, state) for state in states))


@pytest.mark.parametrize("methods", CALLS, ids=lambda methods: f"{methods[0]}-{methods[-1]}")
async def test_a_kill_before_the_answer_arrives_loses_nothing(
    temporal: Client, tmp_path: Path, methods: tuple[str, ...]
) -> None:
    """What the manager has done already is not done twice: no second sector, no second message."""
    await asyncio.gather(*(killed_after(temporal, tmp_path / method, method) for method in methods))
