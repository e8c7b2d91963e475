"""``sealflow sector adopt``: what is refused and with which words, and what becomes of what is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from activities.executions import REPLACED
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.sector import Home, SectorInput, Settings, task_id
from sealing.stores import durable
from sealing.stores.claim import Claim, claim_path, read_claim, write_claim
from sealing.stores.statefile import StateFile, write_state
from sealing.values import SectorId
from tests.operate.command import Ran, sealflow
from tests.world.plant import Plant, plant, working
from tests.world.stage import come_to

pytestmark = pytest.mark.server

STATE = State.PC2Done
GIVEN, ENDED = 1, 2
"""Sectors that the manager has given out; the second has ended there. It knows no other."""


def location(built: Plant, index: int = 0) -> Path:
    """Return the location of one of the plant's threads."""
    return built.config.sealing_thread[index].location


async def adopt(built: Plant, *arguments: object) -> Ran:
    """Adopt, without a question."""
    return await sealflow(built, "sector", "-c", str(built.file), "adopt", *map(str, arguments), "--yes")


class Place:
    """A location with a sector in it that Temporal knows nothing of."""

    def __init__(self, built: Plant, index: int, number: int = GIVEN) -> None:
        """Claim the location, and write the sector's state file."""
        self.location = location(built, index)
        home = Home(worker=built.config.worker.name, location=str(self.location))
        named = {"home": home, "id": SectorId(miner=built.miner, number=number)}
        self.task = SectorInput(
            flow=SEALER.name,
            flow_version=SEALER.version,
            state=STATE,
            sector=come_to(SEALER, STATE).model_copy(update=named),
            settings=Settings(),
        )
        self.files = self.task.sector.files
        write_claim(str(self.location), Claim(task=self.task))
        write_state(self.files, StateFile(run="a run", written=0, task=self.task))

    def change(self, **parts: Any) -> None:
        """Write other parts of the task into the state file."""
        self.task = self.task.model_copy(update=parts)
        write_state(self.files, StateFile(run="a run", written=0, task=self.task))

    def edit(self, **keys: object) -> None:
        """Write other keys into the state file."""
        kept = json.loads(self.files.state.read_bytes())
        durable.write(self.files.state, json.dumps({**kept, **keys}).encode())

    def sector(self, **parts: Any) -> None:
        """Write other parts of the sector into the state file."""
        self.change(sector=self.task.sector.model_copy(update=parts))

    def free(self) -> None:
        """Remove the claim."""
        claim_path(self.location).unlink()

    def clear(self) -> None:
        """Remove the claim and the state file."""
        self.free()
        durable.remove(self.files.jobs)

    def other(self) -> None:
        """Put the state file of another sector beside, and remove the claim."""
        self.free()
        durable.write(self.files.state.parent.with_name("s-t01-7") / self.files.state.name, b"")


HOMELESS: dict[str, tuple[Callable[[Place], object], str]] = {
    "nothing": (lambda at: at.clear(), "has neither a claim nor a state file"),
    "not begun": (lambda at: durable.remove(at.files.jobs), "its thread starts it by itself"),
    "no file": (lambda at: at.files.state.rename(at.files.jobs / "other"), "has files and no state file"),
    "empty": (lambda at: at.files.state.write_bytes(b""), "state.json is not whole"),
    "cut short": (lambda at: at.files.state.write_bytes(at.files.state.read_bytes()[:99]), "is not whole"),
    "newer": (lambda at: at.edit(version=2), "has version 2, this sealflow knows version 1: use the one that wrote it"),
    "other flow": (lambda at: at.change(flow_version=7), "of flow sealer 7, this sealflow knows sealer 1, snapup 2"),
    "other task": (lambda at: at.change(flow="snapup"), "and the state file of snapup-"),
    "other worker": (lambda at: at.sector(home=Home(worker="w", location="/")), "is worker w's, "),
    "moved": (
        lambda at: at.sector(home=at.task.sector.home.model_copy(update={"location": "/mnt/x"})),
        "was at work in /mnt/x, which stands in its files' paths: mount its disk there",
    ),
    "hollow": (lambda at: at.sector(comm_r=None), "has no comm_r, which PC2Done needs"),
    "broken claim": (lambda at: claim_path(at.location).write_text("{"), "claim.json cannot be read: "),
    "several": (lambda at: at.other(), "has no claim and the state files of s-t0"),
}
"""What is wrong in a location, and what is said of it."""


async def test_what_is_not_right_is_named_and_not_touched(temporal: Client, tmp_path: Path) -> None:
    """Each location gets its own reason; no task begins, and no file is changed."""
    cases = list(HOMELESS.values())
    async with plant(temporal, tmp_path, threads=len(cases)) as built:
        places = [Place(built, index) for index in range(len(cases))]
        for at, (spoil, _) in zip(places, cases, strict=True):
            spoil(at)
        before = {path: path.read_bytes() for path in built.left_behind()}
        ran = await adopt(built, *(at.location for at in places), "--json")
        assert ran.status == 1
        refused = {Path(told["location"]): told["refused"] for told in ran.json}
        for at, (_, why) in zip(places, cases, strict=True):
            assert why in refused[at.location]
        assert {path: path.read_bytes() for path in built.left_behind()} == before
        assert not [found async for found in temporal.list_workflows(f"WorkflowId = '{places[0].task.workflow_id}'")]


async def test_the_managers_word_counts(temporal: Client, tmp_path: Path) -> None:
    """A sector that has ended there, or that it does not know, is not started; how to set its files aside is said."""
    async with plant(temporal, tmp_path, sectors=2, threads=2) as built:
        async with Manager(built.config.manager.rpc_client.addr) as manager:
            for _ in (GIVEN, ENDED):
                await manager.allocate_sector((), ())
            await manager.report_aborted(built.id(ENDED), "given up")
        ended, unknown = Place(built, 0, ENDED), Place(built, 1, 99)
        ran = await adopt(built, ended.location, unknown.location, "--json")
        first, second = (told["refused"] for told in ran.json)
        assert f"the manager says that {built.id(ENDED)} has ended: given up. To set its files aside: mkdir" in first
        assert f"the manager does not know {built.id(99)}: it has ended there, or the manager's own data was" in second
        shell = await asyncio.create_subprocess_shell(first.partition("aside: ")[2])
        assert await shell.wait() == 0
        (state,) = (ended.location / "quarantine").rglob("state.json")
        assert state.parent.name == str(built.id(ENDED))
        assert read_claim(str(ended.location)) is None
        built.proxy.away = True
        away = await adopt(built, unknown.location)
        assert "does not say whether" in away.err


async def test_it_is_started_once(temporal: Client, tmp_path: Path) -> None:
    """Also without its claim, which is written; of two operators one starts it, and a third has nothing to do."""
    async with plant(temporal, tmp_path) as built:
        async with Manager(built.config.manager.rpc_client.addr) as manager:
            await manager.allocate_sector((), ())
        at = Place(built, 0)
        at.free()
        asked = await sealflow(built, "sector", "-c", str(built.file), "adopt", str(at.location), said="n\n")
        assert (asked.status, asked.out) == (1, "")
        assert f"{built.id()} in {at.location}: PC2Done, as of 1970-01-01 00:00:00 UTC" in asked.err
        assert read_claim(str(at.location)) is None
        ran = await asyncio.gather(*(adopt(built, at.location) for _ in range(2)))
        assert sorted(each.status for each in ran) == [0, 1]
        assert f"{built.id()}: adopted; now PC2Done\n" in [each.out for each in ran]
        assert read_claim(str(at.location)) == Claim(task=at.task)
        assert (await adopt(built, at.location)).status == 1
        found = await built.sector().describe()
        assert (found.run_id, found.status) == (found.raw_info.first_run_id, WorkflowExecutionStatus.RUNNING)


async def test_a_running_and_an_ended_task_are_left_alone(temporal: Client, tmp_path: Path) -> None:
    """One that runs and is not behind, with --replace too; and one of which Temporal says that it has ended."""
    async with plant(temporal, tmp_path, policy='terminated_grace = "1h"') as built:
        built.simulate(pc2={"fail": "broken", "times": 3})
        async with working(built):
            await built.parked()
            ran = await adopt(built, location(built), "--replace")
            assert f"{built.sector().id} runs, in PC1Done, and is not behind its state file" in ran.err
            assert (await built.status()).halted
            await built.sector().terminate(reason="by mistake")
            ran = await adopt(built, location(built))
            assert f"{built.sector().id} has ended in Temporal (terminated)" in ran.err


async def test_a_run_that_may_catch_up_with_its_state_file_is_not_replaced(temporal: Client, tmp_path: Path) -> None:
    """The file says what the workflow is about to hear: a step has ended, or the database is old and it will park."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: built.starts("pc1") == 1, "PC1 to run")
            claim = read_claim(str(location(built)))
            assert claim is not None
            at = Place(built, 0, built.id().number)
            write_claim(str(at.location), claim)
            ran = await adopt(built, at.location, "--replace")
            assert f"{built.sector().id} runs, in TicketAssigned, and has yet to come to PC2Done" in ran.err
            assert (await built.status()).state is State.TicketAssigned
            ended = await sealflow(built, "sector", "abort", str(built.id()), "--yes")
            assert ended.status == 0, ended.err
            with pytest.raises(WorkflowFailureError):
                await built.sector().result()
            assert built.left_behind() == []


async def test_a_sector_with_two_tasks_is_named_by_the_task(temporal: Client, tmp_path: Path) -> None:
    """As after an old backup: its sealing runs again, and the upgrade that an order would end."""
    async with plant(temporal, tmp_path) as built:
        tasks = [(flow.workflow, task_id(flow.name, built.id())) for flow in (SEALER, SNAPUP)]
        for workflow, name in tasks:
            await temporal.start_workflow(workflow, id=name, task_queue="of nobody")
        ran = await sealflow(built, "sector", "abort", str(built.id()), "--yes")
        assert ran.status == 1
        assert f"{built.id()} has 2 tasks under way: name one, {' or '.join(name for _, name in tasks)}" in ran.err
        for _, name in tasks:
            await temporal.get_workflow_handle(name).terminate()


async def test_a_run_that_was_stopped_to_be_replaced_has_not_ended(temporal: Client, tmp_path: Path) -> None:
    """The command died in between: the thread leaves the files where they are, and adopted again the sector ends."""
    async with plant(temporal, tmp_path, policy='terminated_grace = "1ms"') as built:
        built.simulate(pc2={"fail": "broken", "times": 3})
        async with working(built):
            await built.parked()
            before = built.left_behind()
            await built.sector().terminate(reason=REPLACED)

            async def waits() -> bool:
                rows = await sealflow(built, "worker", "-c", str(built.file), "list", "--json")
                return "was stopped, and has yet to begin again" in rows.json[0]["doing"]

            await built.until(waits, "the thread to wait for the task's beginning")
            assert built.left_behind() == before
            assert (await adopt(built, location(built))).status == 0
            assert (await built.finished()).state is State.Finished
            assert built.left_behind() == []


async def test_it_needs_the_workers_file_and_a_location_of_it(temporal: Client, tmp_path: Path) -> None:
    """Wrong usage is status 2; a folder that is none of the worker's is named, with those that are."""
    async with plant(temporal, tmp_path) as built:
        ran = await sealflow(built, "sector", "adopt", str(location(built)))
        assert (ran.status, "name the file of this machine's worker" in ran.err) == (2, True)
        ran = await adopt(built, tmp_path)
        assert f"{tmp_path} is no location of worker {built.config.worker.name}, whose locations are " in ran.err
        assert ran.status == 1
