"""``sealflow sector``: what an operator reads about sectors, and how they are commanded from a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.flow.state import State
from tests.operate.command import sealflow
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

BROKEN = {"fail": "the disk has a scratch", "times": 3}


async def found_parked(built: Plant, count: int) -> None:
    """Wait until visibility shows so many sectors parked."""
    query = f"SealWorker = '{built.config.worker.name}' AND Parked = true"

    async def shown() -> bool:
        return len([found async for found in built.client.list_workflows(query)]) == count

    await built.until(shown, f"{count} sectors to be found parked")


async def test_a_parked_sector_is_understood_and_brought_back(temporal: Client, tmp_path: Path) -> None:
    """List, show and history say where it stands, why, and where it may go; taken back, it ends."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc2=BROKEN)
        async with working(built):
            await built.parked()
            await found_parked(built, 1)
            mine = f"SealWorker = '{built.config.worker.name}'"
            listed = await sealflow(built, "sector", "list", "--where", mine)
            assert listed.status == 0
            assert str(built.id()) in listed.out
            assert "parked" in listed.out
            assert "the disk has a scratch" in listed.out
            (row,) = (await sealflow(built, "sector", "list", "--where", mine, "--json")).json
            assert (row["sector"], row["state"], row["standing"]) == (str(built.id()), "PC1Done", "parked")

            shown = await sealflow(built, "sector", "show", str(built.id()))
            assert "PC1Done, parked" in shown.out
            assert "Permanent: " in shown.out
            assert "TreeDBuilt, TicketAssigned, PC1Done, Abort" in shown.out
            known = (await sealflow(built, "sector", "show", f"{built.miner}-1", "--json")).json
            assert known["failure"]["level"] == "Permanent"
            assert known["resumable"][-1] == "PC1Done"

            resumed = await sealflow(built, "sector", "resume", built.sector().id, "--state", "TreeDBuilt")
            assert (resumed.status, resumed.out) == (0, f"{built.id()}: resume TreeDBuilt; now TreeDBuilt\n")
            await built.finished()
            history = (await sealflow(built, "sector", "history", str(built.id()), "--json")).json
            assert [stay["state"] for stay in history][5:8] == ["PC1Done", "TreeDBuilt", "TicketAssigned"]
            (parked,) = [stay for stay in history if stay["failure"]]
            assert (parked["state"], parked["left_by"], parked["tries"]) == ("PC1Done", "resume TreeDBuilt", 3)
            table = await sealflow(built, "sector", "history", str(built.id()))
            assert "LEFT BY" in table.out


REFUSED = (
    (("resume", "{id}", "--state", "TreDBuilt"), 1, "there is no state 'TreDBuilt'; possible now: Allocated, "),
    (("resume", "{id}", "--state", "Finished"), 1, "sealer cannot be resumed to Finished; possible now: "),
    (("resume", "{id}", "--state", "C1Done"), 1, "C1Done needs c1_output"),
    (("pause", "{id}"), 1, "the sector already stands still in PC1Done"),
    (("resume", "s-t01-999999"), 1, "there is no task of sector s-t01-999999"),
    (("show", "s-t01-999999"), 1, "sealflow sector list shows those that there are"),
    (("list", "--where", "Nonsense = 1"), 1, "Temporal does not take the query"),
    (("resume",), 2, "name sectors by their ids"),
    (("resume", "{id}", "--where", "Parked = true"), 2, "name sectors by their ids"),
    (("resume", "--nonsense"), 2, "No such option"),
)


async def test_what_is_refused_says_why_and_changes_nothing(temporal: Client, tmp_path: Path) -> None:
    """Status 1 with the reason on stderr where a command is refused or fails, 2 for wrong usage."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc2=BROKEN)
        async with working(built):
            await built.parked()
            calls = [sealflow(built, "sector", *(arg.format(id=built.id()) for arg in args)) for args, _, _ in REFUSED]
            for (args, status, why), ran in zip(REFUSED, await asyncio.gather(*calls), strict=True):
                assert (ran.status, ran.out) == (status, ""), args
                assert why in ran.err, args
            standing = await built.status()
            assert (standing.state, standing.halted) == (State.PC1Done, True)


async def test_many_are_commanded_at_once(temporal: Client, tmp_path: Path) -> None:
    """``--where`` says how many it found and asks; a no changes nothing, ``--yes`` does not ask, each gets a line."""
    async with plant(temporal, tmp_path, sectors=3, threads=3) as built:
        built.simulate(pc2={"fail": "broken", "times": 9})
        async with working(built):
            for number in (1, 2, 3):
                await built.parked(number)
            await found_parked(built, 3)
            where = ("--where", f"SealWorker = '{built.config.worker.name}' AND Parked = true")
            refused = await sealflow(built, "sector", "resume", *where, said="n\n")
            assert refused.status == 1
            assert "3 sectors found" in refused.err
            assert (await built.status(2)).halted
            done = await sealflow(built, "sector", "resume", *where, "--yes")
            assert done.status == 0
            assert sorted(done.out.splitlines()) == [f"{built.id(number)}: resume; now PC1Done" for number in (1, 2, 3)]
            for number in (1, 2, 3):
                await built.finished(number)
            again = await sealflow(built, "sector", "resume", str(built.id()), "--yes")
            assert (again.status, again.out) == (1, "")
            assert "has ended" in again.err


async def test_an_abort_that_forfeits_the_deposit_asks_first(temporal: Client, tmp_path: Path) -> None:
    """Once the pre-commit has landed: the question names it; without a yes nothing happens; ``--yes`` ends the task."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(c1=BROKEN)
        async with working(built):
            assert (await built.parked()).state is State.SeedAssigned
            asked = await sealflow(built, "sector", "abort", str(built.id()), said="")
            assert asked.status == 1
            assert f"forfeits the deposit of {built.id()}" in asked.err
            assert (await built.status()).halted
            done = await sealflow(built, "sector", "abort", str(built.id()), "--yes", "--reason", "given up")
            assert (done.status, done.out) == (0, f"{built.id()}: abort: given up; now Aborted\n")
            with pytest.raises(WorkflowFailureError, match="failed"):
                await built.finished()
            assert [row.end_reason for row in built.observer.sectors()] == ["given up"]


async def test_without_temporal_the_reason_is_said(temporal: Client, tmp_path: Path) -> None:
    """A server that is not there is named, with what to do, in some seconds."""
    async with plant(temporal, tmp_path) as built:
        ran = await sealflow(built, "sector", "--address", "127.0.0.1:1", "list")
        assert (ran.status, ran.out) == (1, "")
        assert "Temporal at 127.0.0.1:1 does not answer" in ran.err


async def test_without_a_worker_an_order_is_not_lost_silently(temporal: Client, tmp_path: Path) -> None:
    """Where no worker serves the fleet's queue, show and resume say so."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc2=BROKEN)
        async with working(built):
            await built.parked()
        shown = await sealflow(built, "sector", "show", str(built.id()))
        assert shown.status == 1
        assert "is one running?" in shown.err
