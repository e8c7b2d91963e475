"""What was sent may have arrived although its answer was lost: nothing that matches it is given up unasked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sealing.failures import Level
from sealing.flow.state import State
from tests.workflows.test_snapup import upgradable
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

PRECOMMIT, PROOF, UPGRADE = "Venus.SubmitPreCommit", "Venus.SubmitProof", "Venus.SubmitSnapUpProof"
AWAY = {"error": {"code": 1, "message": "get chain head: connection refused"}}
REFUSED = {"result": {"Res": 4, "Desc": "the sector is on chain already"}}


def loses(built: Plant, method: str, *then: dict[str, Any]) -> None:
    """Let the first answer to a method be lost, and give these to the next calls."""
    waiting = list(then)

    async def after(called: str, _: list[Any]) -> None:
        if called == method:
            built.proxy.answers[method].extend(waiting)
            waiting.clear()

    built.proxy.after = after
    built.proxy.lose[method] = 1


class HeldBack:
    """A submission that arrives, and whose answer comes when it is let go."""

    def __init__(self, built: Plant, method: str) -> None:
        """Hold the answer of the first one."""
        self.arrived, self.go = asyncio.Event(), asyncio.Event()
        self._method = method
        built.proxy.after = self._after

    async def _after(self, called: str, _: list[Any]) -> None:
        if called == self._method and not self.arrived.is_set():
            self.arrived.set()
            await self.go.wait()


@pytest.mark.parametrize("method", [PRECOMMIT, PROOF])
async def test_what_is_refused_but_on_chain_was_sent(temporal: Client, tmp_path: Path, method: str) -> None:
    """The next try is refused, for whatever reason: the chain is asked, has it, and the sector finishes."""
    async with plant(temporal, tmp_path) as built:
        loses(built, method, REFUSED)
        async with working(built):
            await built.finished()
        assert built.proxy.count(method) == 2
        assert [row.ended for row in built.observer.sectors()] == ["finalized"]


async def test_what_failed_may_have_arrived(temporal: Client, tmp_path: Path) -> None:
    """Parked after a lost answer and errors, a sector draws no new ticket over it, and goes on with the one it has."""
    async with plant(temporal, tmp_path) as built:
        built.simulate()
        loses(built, PRECOMMIT, AWAY, AWAY, AWAY)
        async with working(built):
            parked = await built.parked()
            assert parked.state is State.PC2Done
            for argument, why in (("TreeDBuilt", "a pre-commit was sent"), (FORCED, "on chain")):
                await built.sector().signal("resume", argument)
                await built.until(lambda why=why: _refused(built, why), "the resume to be refused")  # type: ignore[misc]
            await built.sector().signal("resume")
            await built.finished()
            assert (await built.status()).sector.ticket == parked.sector.ticket
        assert built.starts("pc1") == 1


FORCED = {"state": "TreeDBuilt", "force": True}


async def _refused(built: Plant, why: str) -> bool:
    last = (await built.status()).last_command
    return last is not None and why in (last.refused or "")


async def test_an_upgrade_that_may_have_been_accepted_is_not_aborted(temporal: Client, tmp_path: Path) -> None:
    """Proved anew after it was sent, it is refused for its other content: it parks, and its deals stay its own."""
    async with upgradable(temporal, tmp_path) as built:
        held = HeldBack(built, UPGRADE)

        async def before(called: str, params: list[Any]) -> None:
            if called == UPGRADE and held.arrived.is_set():
                params[1]["Proof"] = "AAAA" + params[1]["Proof"][4:]  # as each Groth16 proof is another

        built.proxy.before = before
        async with working(built):
            await held.arrived.wait()
            await built.sector().signal("pause")
            await built.parked()
            held.go.set()
            await built.sector().signal("resume", "SnapEncoded")
            await built.until(lambda: _failed(built), "it to fail")
            status = await built.status()
            assert status.failure is not None
            assert "may have been accepted" in status.failure.text
            assert [row.ended for row in built.observer.upgrades()] == [None]


async def _failed(built: Plant) -> bool:
    status = await built.status()
    return status.halted and status.failure is not None and status.failure.level is Level.Permanent
