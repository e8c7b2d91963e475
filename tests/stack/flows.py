"""One sector on a production server: sealed, then upgraded with a client's data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from temporalio.client import Client

from deploy.stack.stack import Stack
from sealing.devnet.retrieve import retrieve
from sealing.flow.state import State
from sealing.processors.programs import SIMULATED
from tests.survival.test_kill import sealed_once
from tests.world.plant import Plant, plant, working

CONTENT = b"what a client wants to have back " * 40
SLOW = {"seconds": 1.0}
PATIENCE = 120.0
"""Seconds: a server whose database was away takes up what was lost with it after its own time limits."""

Meanwhile = Callable[[Plant], Awaitable[None]]


async def nothing(_: Plant) -> None:
    """Disturb nobody."""


async def seal_and_upgrade(
    stack: Stack, client: Client, folder: Path, *, pc1: Meanwhile = nothing, snap_prove: Meanwhile = nothing
) -> None:
    """Take a sector through both flows, with something that happens while a stage computes; its data comes back."""
    metrics = f'[metrics]\nenable = true\nhttp_listen = "127.0.0.1:{stack.ports.worker_metrics}"'
    async with plant(client, folder, policy=metrics) as built:
        built.patience = PATIENCE
        built.simulate(pc1=SLOW)
        async with working(built):
            await under_way(built, "pc1")
            await pc1(built)
            await sealed_once(built)
        built.plan("snapup")
        deal = built.deal(CONTENT)
        built.simulate(snap_prove=SLOW)
        async with working(built):
            await under_way(built, "snap_prove")
            await snap_prove(built)
            summary = await built.finished()
            assert summary.state is State.Finished
            assert built.starts("snap_prove") == 1
            assert built.left_behind() == []
        await retrieve(built.devnet.config, SIMULATED, deal.piece_cid, folder / "back")
        assert (folder / "back").read_bytes() == CONTENT


async def under_way(built: Plant, stage: str) -> None:
    """Wait until a stage computes."""
    await built.until(lambda: built.starts(stage), f"{stage} to begin")
