"""Temporal's database is lost, or put back from an old backup: adopted from their state files, sectors end well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sealing.failures import Level
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.sector import task_id
from sealing.stores.claim import claim_path
from tests.operate.command import Ran, on_worker, sealflow
from tests.survival.database import Database, database
from tests.survival.jobs import begun, pid
from tests.survival.program import WorkerProgram, program
from tests.survival.test_kill import kill_at, sealed_once
from tests.world.plant import Plant, plant
from workers.operate import adopting

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]

PATIENCE = 300.0
"""Seconds that a test waits for what it expects: each starts a dozen programs, on however busy a machine."""

Lost = tuple[Database, Plant, WorkerProgram]

STATES = [
    ("PieceAdded", "TicketAssigned", "SyntheticPoRepNeeded"),
    ("PC2Done", "PCSubmitted", "PCLanded", "Persisted"),
    ("SeedAssigned", "C1Done", "C2Done", "ProofSubmitted"),
]
"""Where the sectors are when the database is lost, so many at once."""


def location(built: Plant) -> Path:
    """Return the location of the plant's thread."""
    return built.folder / "threads" / "0"


async def adopt(built: Plant, *options: str, said: str = "") -> Ran:
    """Adopt what is in the plant's location."""
    return await sealflow(built, "sector", "-c", str(built.file), "adopt", str(location(built)), *options, said=said)


async def adopted(built: Plant, *options: str) -> str:
    """Adopt, which must go well, and return the state in which the task begins again."""
    ran = await adopt(built, "--yes", "--json", *options)
    assert ran.status == 0, ran.err
    (told,) = ran.json
    assert (told["sector"], told["answer"]) == (str(built.id()), "adopted")
    return str(told["state"])


async def killed_in(worker: WorkerProgram, state: str) -> None:
    """Wait until the worker was killed in the moment in which it reported a state."""
    async with asyncio.timeout(PATIENCE):
        await kill_at(worker.built, worker, state).wait()
        await worker.gone()


async def upgraded_to(built: Plant, worker: WorkerProgram, state: str) -> None:
    """Let the sector, which is finished, be upgraded, until the worker is killed as it reports a state of that."""
    await worker.terminate()
    built.deal(bytes(range(200)))
    built.plan(SNAPUP.name)
    await worker.start()
    await killed_in(worker, state)


@asynccontextmanager
async def lost(tmp_path: Path, **options: Any) -> AsyncIterator[Lost]:
    """Run a server, whose database is called old, and a plant with its worker."""
    async with database(tmp_path / "temporal", "old") as temporal:
        client = await temporal.client()
        async with plant(client, tmp_path / "plant", **options) as built, program(built) as worker:
            built.patience = PATIENCE
            yield temporal, built, worker


async def every(works: list[Awaitable[Any]]) -> list[Any]:
    """Do many things at once."""
    return list(await asyncio.gather(*works))


@pytest.mark.parametrize("states", STATES, ids=lambda states: f"{states[0]}-{states[-1]}")
async def test_sectors_are_adopted_in_any_state(tmp_path: Path, states: tuple[str, ...]) -> None:
    """With a fresh database each goes on from its file: every stage once, every message once, nothing left behind."""
    async with database(tmp_path / "temporal", "lost") as temporal, AsyncExitStack() as stack:
        client = await temporal.client()

        async def killed(state: str) -> WorkerProgram:
            types = (10,) if state == "SyntheticPoRepNeeded" else (5,)
            built = await stack.enter_async_context(plant(client, tmp_path / state, proof_types=types))
            built.patience = PATIENCE
            built.simulate()
            worker = await stack.enter_async_context(program(built))
            await killed_in(worker, state)
            return worker

        workers = await every([killed(state) for state in states])
        await temporal.use("new")
        for worker in workers:
            found = await adopting.look_at(client, worker.built.config, location(worker.built), replace=False)
            told = await adopting.carry_out(client, worker.built.config, location(worker.built), found)
            assert told["answer"] == "adopted", told
        await every([worker.start() for worker in workers])
        await every([sealed_once(worker.built) for worker in workers])


async def test_a_running_job_is_taken_up_and_the_thread_goes_on(tmp_path: Path) -> None:
    """PC1 has run on: it ends in the sector that is adopted, and the thread takes the next one after that."""
    async with lost(tmp_path, sectors=2) as (temporal, built, worker):
        built.simulate(pc1={"seconds": 20, "times": 1})
        process = await begun(built)
        worker.kill()
        await worker.gone()
        await temporal.use("new")
        assert pid(built) == process
        await worker.start()
        assert await adopted(built) == "TicketAssigned"
        await built.until(lambda: at_work(built), "the thread to take the sector up")
        for number in (1, 2):
            await built.finished(number)
        assert built.starts("pc1") == 2, "one for each sector"


async def test_a_sector_without_its_claim_holds_its_location(tmp_path: Path) -> None:
    """The thread takes no other sector over it, the doctor names it, and it is adopted as one with its claim is."""
    async with lost(tmp_path, sectors=2) as (temporal, built, worker):
        built.simulate()
        await killed_in(worker, "Persisted")
        await temporal.use("new")
        claim_path(location(built)).unlink()
        examined = await sealflow(built, "doctor", "-c", str(built.file), "--json")
        assert f"files of {built.id()} and no claim" in examined.out
        await worker.start()
        await built.until(lambda: says(built, "nothing is touched"), "the thread to say what it waits for")
        assert len(built.observer.sectors()) == 1
        assert await adopted(built) == "Persisted"
        for number in (1, 2):
            await built.finished(number)
        assert built.starts("pc1") == 2, "one for each sector"


async def test_a_running_task_has_its_claim_again(tmp_path: Path) -> None:
    """Only the claim was lost: the thread awaits the sector, and takes the next one when that is finished."""
    async with lost(tmp_path, sectors=2) as (_, built, worker):
        built.simulate()
        await killed_in(worker, "Persisted")
        claim_path(location(built)).unlink()
        await worker.start()
        for number in (1, 2):
            await built.finished(number)
        assert built.starts("pc1") == 2, "one for each sector"
        assert built.left_behind() == []


async def says(built: Plant, what: str) -> bool:
    """Tell whether the list of the worker's threads says something of the plant's thread."""
    return what in (await thread(built)).get("doing", "")


async def at_work(built: Plant) -> bool:
    """Tell whether the plant's thread is at its sector."""
    return (await thread(built)).get("sector") == str(built.id())


async def thread(built: Plant) -> dict[str, Any]:
    """Return what the list of the worker's threads says of the plant's thread, if it does."""
    rows = await on_worker(built, "list", "--json")
    return dict(rows.json[0]) if rows.status == 0 else {}


async def test_a_parked_sector_is_tried_again(tmp_path: Path) -> None:
    """That it stood still is not in the file: its step runs again, as after a resume, and nothing before it."""
    async with lost(tmp_path) as (temporal, built, worker):
        built.simulate(c1={"fail": "broken", "times": 3})
        await built.parked()
        worker.kill()
        await worker.gone()
        await temporal.use("new")
        assert await adopted(built) == "SeedAssigned"
        await worker.start()
        await sealed_once(built, failed="c1")
        assert built.starts("c1") == 4


async def test_an_upgrade_is_adopted(tmp_path: Path) -> None:
    """Between its proof and the submission: the proof in the file is the one that is sent, and made once."""
    async with lost(tmp_path) as (temporal, built, worker):
        built.simulate()
        await built.finished()
        await upgraded_to(built, worker, "Persisted")
        await temporal.use("new")
        assert await adopted(built) == "Persisted"
        await worker.start()
        assert (await built.finished()).state is State.Finished
        assert [built.starts(stage) for stage in ("snap_encode", "snap_prove")] == [1, 1]
        assert built.left_behind() == []


@asynccontextmanager
async def old_backup(tmp_path: Path, then: str, now: str) -> AsyncIterator[Plant]:
    """Back up the database when a sector is in one state, let it come to another, and put the backup back."""
    async with lost(tmp_path) as (temporal, built, worker):
        built.simulate()
        await killed_in(worker, then)
        await temporal.back_up("old", "live")
        await temporal.use("live")
        await worker.start()
        await killed_in(worker, now)
        await temporal.use("old")
        await worker.start()
        yield built


@pytest.mark.parametrize("then", ["PieceAdded", "TreeDBuilt", "PC1Done"])
async def test_a_run_out_of_an_old_backup_touches_nothing_and_is_replaced(tmp_path: Path, then: str) -> None:
    """It parks before its first step on the machine, a new ticket or not; adopted, the sector ends, each thing once."""
    async with old_backup(tmp_path, then, "Persisted") as built:
        status = await built.parked()
        assert status.failure is not None
        assert (status.failure.level, "restored from an old backup" in status.failure.text) == (Level.Permanent, True)
        refused = await adopt(built, "--yes")
        assert (refused.status, refused.out) == (1, "")
        assert f"is only in {status.state}, its state file says Persisted" in refused.err
        assert f"adopt {location(built)} --replace" in refused.err
        declined = await adopt(built, "--replace", said="n\n")
        assert declined.status == 1
        assert f"in place of the run that is only in {status.state}" in declined.err
        assert (await built.status()).halted
        assert await adopted(built, "--replace") == "Persisted"
        await sealed_once(built)


async def test_several_operators_replace_a_run_once(tmp_path: Path) -> None:
    """At the same moment: one of them starts the task, the others are told so, and the sector ends as it should."""
    async with old_backup(tmp_path, "TreeDBuilt", "PCLanded") as built:
        await built.parked()
        ran = await every([adopt(built, "--yes", "--replace") for _ in range(3)])
        assert sorted(each.status for each in ran) == [0, 1, 1]
        await sealed_once(built)
        again = await adopt(built, "--yes", "--replace")
        assert (again.status, "there is no sector in it" in again.err) == (1, True)


async def test_a_sector_that_began_after_the_backup_is_adopted(tmp_path: Path) -> None:
    """The old database knows the thread at most. The worker and the doctor say what to do, and touch nothing."""
    async with lost(tmp_path) as (temporal, built, worker):
        await temporal.back_up("old", "live")
        await temporal.use("live")
        built.simulate()
        await killed_in(worker, "PC1Done")
        before = built.left_behind()
        await temporal.use("old")
        await worker.start()
        await built.until(lambda: says(built, f"adopt {location(built)}"), "the worker to say what to do")
        examined = await sealflow(built, "doctor", "-c", str(built.file), "--json")
        (found,) = [each for each in examined.json if each["check"] == "sector of thread 0"]
        assert found["remedy"] == f"sealflow sector -c {built.file} adopt {location(built)}"
        assert built.left_behind() == before
        assert await adopted(built) == "PC1Done"
        await sealed_once(built)


async def test_an_upgrade_outlives_its_sectors_sealing_out_of_an_old_backup(tmp_path: Path) -> None:
    """The manager knows both by the sector: the sealing that runs again, and is aborted, does not end the upgrade."""
    async with lost(tmp_path) as (temporal, built, worker):
        built.simulate(snap_prove={"fail": "broken", "times": 3})
        await killed_in(worker, "SeedAssigned")
        await temporal.back_up("old", "live")
        await temporal.use("live")
        await worker.start()
        await built.finished()
        await upgraded_to(built, worker, "SnapEncoded")
        await temporal.use("old")
        assert await adopted(built) == "SnapEncoded"
        await worker.start()
        sealing = task_id(SEALER.name, built.id())
        await built.until(lambda: stands(built, sealing), "the sealing to park")
        await built.parked()
        refused = await sealflow(built, "sector", "abort", str(built.id()), "--yes")
        assert (refused.status, "has 2 tasks under way" in refused.err) == (1, True)
        ended = await sealflow(built, "sector", "abort", sealing, "--yes")
        assert ended.status == 0, ended.err
        resumed = await sealflow(built, "sector", "resume", str(built.id()))
        assert resumed.status == 0, resumed.err
        assert (await built.finished()).state is State.Finished
        assert [(record.ended, record.proof_verified) for record in built.observer.upgrades()] == [("finalized", True)]
        assert [built.starts(stage) for stage in ("pc1", "snap_encode", "snap_prove")] == [1, 1, 4]
        assert built.left_behind() == []


async def stands(built: Plant, task: str) -> bool:
    """Tell whether a task has parked."""
    told = await sealflow(built, "sector", "show", task, "--json")
    return told.status == 0 and told.json["standing"] == "parked"
