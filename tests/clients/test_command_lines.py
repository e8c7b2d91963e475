"""Signals, queries and cancellations of both command lines of Temporal, in each form that an argument may have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.cache import find_temporal
from tests.clients.programs import Signal, Terminal
from tests.needs import need_tctl
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

BACK = "TreeDBuilt"
EVERY_WAY = pytest.mark.parametrize(
    "signal",
    [Terminal.signal, Terminal.signal_by_query, Terminal.signal_by_tctl],
    ids=["temporal", "temporal-query", "tctl"],
)


@pytest.fixture
def terminal(temporal: Client, tmp_path: Path) -> Terminal:
    """Return a terminal at the tests' Temporal server."""
    return Terminal(temporal.service_client.config.target_host, tmp_path, find_temporal(), need_tctl())


def carried_out(command: str, state: str) -> dict[str, str | None]:
    """Return what the query ``last_command`` answers after a command that was carried out."""
    return {"command": command, "state": state, "refused": None}


async def aborted(built: Plant, number: int) -> str:
    """Wait for a sector's end, which must be that it was aborted, and return why."""
    with pytest.raises(WorkflowFailureError) as ended:
        await built.finished(number)
    assert isinstance(ended.value.cause, ApplicationError)
    assert ended.value.cause.type == "Aborted"
    return ended.value.cause.message


async def running_pc1(built: Plant, *numbers: int) -> None:
    """Wait until sectors are at PC1."""
    await built.until(lambda: all("TicketAssigned" in built.reported(number) for number in numbers), "PC1 to run")


@EVERY_WAY
async def test_resume(temporal: Client, tmp_path: Path, terminal: Terminal, signal: Signal) -> None:
    """Without input a sector runs its state again; a string or an object takes it back to that state first."""
    async with plant(temporal, tmp_path, sectors=3, threads=3) as built:
        built.simulate(pc2={"fail": "broken", "times": 9})
        async with working(built):
            forms = {1: None, 2: f'"{BACK}"', 3: f'{{"state": "{BACK}"}}'}
            await asyncio.gather(*(built.parked(number) for number in forms))
            for number, argument in forms.items():
                await signal(terminal, built, number, "resume", argument)
            await asyncio.gather(*(built.finished(number) for number in forms))
            assert [built.reported(number).count(BACK) for number in forms] == [1, 2, 2]
            answers = [await terminal.ask(built, number, "last_command") for number in forms]
            assert answers == [carried_out("resume", "PC1Done"), *[carried_out(f"resume {BACK}", BACK)] * 2]


@EVERY_WAY
async def test_pause_and_abort(temporal: Client, tmp_path: Path, terminal: Terminal, signal: Signal) -> None:
    """Both take nothing, a reason as a string, or an object: a running sector stands still, then its task ends."""
    async with plant(temporal, tmp_path, sectors=3, threads=3) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            forms = {1: None, 2: '"wrong miner"', 3: '{"reason": "wrong miner"}'}
            await running_pc1(built, *forms)
            for number, argument in forms.items():
                await signal(terminal, built, number, "pause", argument)
                assert (await built.parked(number)).failure is None
                words = "pause: wrong miner" if argument else "pause"
                assert await terminal.ask(built, number, "last_command") == carried_out(words, "TicketAssigned")
                await signal(terminal, built, number, "abort", argument)
            why = [await aborted(built, number) for number in forms]
            assert why == ["TicketAssigned: aborted by an operator", *["TicketAssigned: wrong miner"] * 2]
            answers = [await terminal.ask(built, number, "last_command") for number in forms]
            assert answers == [carried_out("abort", "Aborted"), *[carried_out("abort: wrong miner", "Aborted")] * 2]
            assert built.left_behind() == []


@pytest.mark.parametrize("cancel", [Terminal.cancel, Terminal.cancel_by_tctl], ids=["temporal", "tctl"])
async def test_a_cancelled_workflow_is_aborted(
    temporal: Client, tmp_path: Path, terminal: Terminal, cancel: Callable[[Terminal, Plant, int], Awaitable[None]]
) -> None:
    """Who cancels instead of aborting leaves no file behind either."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await running_pc1(built, 1)
            await cancel(terminal, built, 1)
            assert "cancelled" in await aborted(built, 1)
            assert built.left_behind() == []


async def test_what_a_query_answers(temporal: Client, tmp_path: Path, terminal: Terminal) -> None:
    """Both command lines show why a sector stands still and why a signal was refused; one signal sets all going."""
    async with plant(temporal, tmp_path, sectors=2, threads=2) as built:
        built.simulate(pc2={"fail": "broken", "times": 6})
        async with working(built):
            await asyncio.gather(built.parked(1), built.parked(2))
            for ask, send in ((terminal.ask, terminal.signal), (terminal.ask_by_tctl, terminal.signal_by_tctl)):
                status: dict[str, Any] = await ask(built, 1, "status")
                assert (status["state"], status["halted"]) == ("PC1Done", True)
                assert status["failure"]["text"] == "pc2 failed: broken (tried 3 times)"
                await send(built, 1, "resume", '"Nowhere"')
                assert "there is no state 'Nowhere'; possible now: " in (await ask(built, 1, "last_command"))["refused"]
                await send(built, 1, "pause", None)
                assert "already stands still" in (await ask(built, 1, "last_command"))["refused"]
            query = f"MinerId = 't0{built.miner}' AND Parked = true"

            async def both() -> bool:
                return (await temporal.count_workflows(query)).count == 2

            await built.until(both, "both sectors to be found as parked")
            await terminal.signal_all(built, query, "resume", f'{{"state": "{BACK}"}}')
            await asyncio.gather(built.finished(1), built.finished(2))


async def test_an_update_answers_its_sender(temporal: Client, tmp_path: Path, terminal: Terminal) -> None:
    """Who orders by update sees at once what became of it; a refusal is an error that says why."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await running_pc1(built, 1)
            answered = json.loads(await terminal.control(built, 1, '"pause"'))
            assert answered["result"] == carried_out("pause", "TicketAssigned")
            refused = await terminal.control(built, 1, '{"command": "resume", "state": "C1Done"}', status=1)
            assert "C1Done needs c1_output" in refused
            await terminal.control(built, 1, '{"command": "abort", "reason": "wrong miner"}')
            assert await aborted(built, 1) == "TicketAssigned: wrong miner"
