"""C2 and snap prove on machines that only do that: what travels, and what becomes of it when something goes away."""

from __future__ import annotations

import asyncio
import fcntl
import json
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.failures import Level
from sealing.flow.state import State
from sealing.sector import Stay, Summary
from tests.survival.program import program
from tests.workflows.histories import keep
from tests.world.gpu import gpu, ran_on
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

SHARED = "shared_c2 = true\n"


def by_folder(folder: Path) -> str:
    """Return the settings with which every input goes through a folder."""
    return f'inline_limit = 0\nexchange = "{folder}"\n'


def counts(built: Plant) -> dict[str, int]:
    """Return how often each stage was started, on whichever machine."""
    with (built.folder / "simulated.json.counts").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # the processors write it while they hold it
        found: dict[str, int] = json.load(file)
    return found


def in_c2(summary: Summary) -> Stay:
    """Return the sector's stay in C1Done."""
    (stay,) = [stay for stay in summary.stays if stay.state is State.C1Done]
    return stay


async def test_c2_runs_on_another_machine(temporal: Client, tmp_path: Path) -> None:
    """Two workers with different names, one of them with nothing but a processor for C2: that one runs it."""
    async with plant(temporal, tmp_path, fleet=SHARED) as built:
        built.simulate(c2={"seconds": 0.3})
        async with program(built), gpu(built) as machine:
            summary = await built.finished()
            assert summary.state is State.Finished
            assert await ran_on(built, "c2") == ["gpu"]
            (made,) = machine.jobs()
            assert made.path.name == "c2"
            assert counts(built)["c2"] == counts(built)["verify_seal"] == 1
            assert in_c2(summary).run_seconds >= 0.3
            assert built.left_behind() == []
            assert not list(machine.folder.rglob("input.json"))
            described = await built.sector().describe()
            assert described.history_length < 150
            assert described.raw_description.workflow_execution_info.history_size_bytes < 80 * 1024
            await keep(built.sector(), "sealer-shared-c2")


async def test_the_proof_of_an_upgrade_is_made_on_another_machine(temporal: Client, tmp_path: Path) -> None:
    """The vanilla proofs are made at home, where the replicas are, and proved elsewhere."""
    async with plant(temporal, tmp_path) as built:
        async with working(built):
            await built.finished()
        built.file.write_text(built.file.read_text().replace("[policy]", SHARED + "[policy]"))
        built.plan("snapup")
        built.deal(b"what a client wants to have back " * 40)
        built.simulate()
        async with program(built), gpu(built, stage="snap_prove") as machine:
            assert (await built.finished()).state is State.Finished
            assert await ran_on(built, "snap_prove") == ["gpu"]
            (made,) = machine.jobs()
            assert made.path.name == "snap_prove"
            assert counts(built)["snap_vanilla"] == counts(built)["snap_prove"] == 1
            await keep(built.sector(), "snapup-shared-prove")


async def test_machines_share_the_work(temporal: Client, tmp_path: Path) -> None:
    """Two sectors at once: no machine is given a second one while the other has none."""
    async with plant(temporal, tmp_path, sectors=2, threads=2, fleet=SHARED) as built:
        built.simulate(c2={"seconds": 4})
        async with working(built), gpu(built, "gpu-a") as one, gpu(built, "gpu-b") as other:
            await built.until(lambda: one.runs() and other.runs(), "both machines to compute")
            await asyncio.gather(built.finished(1), built.finished(2))
            assert (len(one.jobs()), len(other.jobs())) == (1, 1)


async def test_a_large_input_goes_through_a_folder(temporal: Client, tmp_path: Path) -> None:
    """What is beyond the limit is in the folder while it is needed, and is gone with the sector's files."""
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    async with plant(temporal, tmp_path, fleet=SHARED + by_folder(exchange)) as built:
        built.simulate(c2={"seconds": 1})
        async with working(built), gpu(built, fleet=by_folder(exchange)) as machine:
            await built.until(machine.runs, "C2 to run")
            (parcel,) = files_in(exchange)
            assert parcel.parent.name == str(built.id())
            assert (await built.finished()).state is State.Finished
            assert files_in(exchange) == []


async def test_a_broken_parcel_is_packed_again(temporal: Client, tmp_path: Path) -> None:
    """The machine that unpacks it compares; the next try packs the input anew, and the sector goes on."""
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    async with plant(temporal, tmp_path, fleet=SHARED + by_folder(exchange)) as built:
        built.simulate()
        async with working(built):
            await built.until(lambda: files_in(exchange), "the parcel")
            (parcel,) = files_in(exchange)
            content = parcel.read_bytes()
            parcel.write_bytes(content[:-20] + bytes(20))
            async with gpu(built, fleet=by_folder(exchange)):
                summary = await built.finished()
                assert in_c2(summary).tries == 2
                assert "is broken; the next try packs it again" in in_c2(summary).failure


async def test_a_lost_parcel_is_packed_again(temporal: Client, tmp_path: Path) -> None:
    """Gone is as good as broken."""
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    async with plant(temporal, tmp_path, fleet=SHARED + by_folder(exchange)) as built:
        built.simulate()
        async with working(built):
            await built.until(lambda: files_in(exchange), "the parcel")
            files_in(exchange)[0].unlink()
            async with gpu(built, fleet=by_folder(exchange)):
                summary = await built.finished()
                assert in_c2(summary).tries == 2
                assert "is gone; the next try packs it again" in in_c2(summary).failure


async def test_an_exchange_that_is_away_is_waited_for(temporal: Client, tmp_path: Path) -> None:
    """Away while the input is packed, and while it is fetched: it is said, costs no try, and ends by itself."""
    exchange, aside = tmp_path / "exchange", tmp_path / "aside"
    async with plant(temporal, tmp_path, fleet=SHARED + by_folder(exchange)) as built:
        built.simulate()
        async with working(built):
            await built.until(lambda: says(built, "pack_c1", "is not there"), "the pack to be told")
            exchange.mkdir()
            await built.until(lambda: files_in(exchange), "the parcel")
            exchange.rename(aside)
            async with gpu(built, fleet=by_folder(exchange)):
                await built.until(lambda: says(built, "c2", "is not there"), "C2 to be told")
                assert not (await built.status()).halted
                aside.rename(exchange)
                assert in_c2(await built.finished()).tries == 1


async def test_without_an_exchange_a_large_input_parks_the_sector(temporal: Client, tmp_path: Path) -> None:
    """With the name of the setting that is missing; with it, a resume goes on."""
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    async with plant(temporal, tmp_path, fleet=SHARED + "inline_limit = 0\n") as built:
        built.simulate()
        async with working(built):
            status = await built.parked()
            assert status.failure is not None
            assert status.failure.level is Level.Permanent
            assert "set [temporal] exchange on all of them" in status.failure.text
        built.file.write_text(built.file.read_text().replace("[policy]", f'exchange = "{exchange}"\n[policy]'))
        async with working(built), gpu(built, fleet=by_folder(exchange)):
            await built.sector().signal("resume")
            assert (await built.finished()).state is State.Finished


async def test_a_machine_that_dies_is_replaced(temporal: Client, tmp_path: Path) -> None:
    """Killed by -9 while it computes: another machine computes from the same parcel, and no try is counted."""
    async with plant(temporal, tmp_path, fleet=SHARED) as built:
        built.simulate(c2={"seconds": 60, "times": 1})
        async with working(built), gpu(built, "gpu-a") as first:
            await built.until(first.runs, "C2 to run")
            await built.until(lambda: counts(built).get("c2"), "the slow start to be this one")
            first.worker.kill()
            await first.worker.gone()
            async with gpu(built, "gpu-b") as second:
                summary = await built.finished()
                assert in_c2(summary).tries == 1
                assert len(second.jobs()) == 1
                assert await ran_on(built, "c2") == ["gpu-b"]


async def test_a_worker_that_comes_back_takes_up_its_job(temporal: Client, tmp_path: Path) -> None:
    """Killed by -9 and started again: the job that ran on is the one that counts."""
    async with plant(temporal, tmp_path, fleet=SHARED) as built:
        built.simulate(c2={"seconds": 4})
        async with working(built), gpu(built) as machine:
            await built.until(machine.runs, "C2 to run")
            machine.worker.kill()
            await machine.worker.gone()
            assert machine.runs()
            await machine.worker.start()
            await built.finished()
            assert counts(built)["c2"] == 1


async def test_a_pause_lets_go(temporal: Client, tmp_path: Path) -> None:
    """The job runs on, and the resumed sector takes its result, if it comes to the same machine."""
    async with plant(temporal, tmp_path, fleet=SHARED) as built:
        built.simulate(c2={"seconds": 3})
        async with working(built), gpu(built) as machine:
            await built.until(machine.runs, "C2 to run")
            await built.sector().signal("pause")
            await built.parked()
            assert machine.runs()
            await built.sector().signal("resume")
            assert (await built.finished()).state is State.Finished
            assert counts(built)["c2"] == 1


async def test_what_an_aborted_sector_left_running_is_stopped(temporal: Client, tmp_path: Path) -> None:
    """Nobody waits for it any more: after the patience that is configured the machine is free again."""
    async with plant(temporal, tmp_path, fleet=SHARED) as built:
        built.simulate(c2={"seconds": 60})
        async with working(built), gpu(built, fleet='pool_patience = "1s"') as machine:
            await built.until(machine.runs, "C2 to run")
            await built.sector().signal("abort", "no longer wanted")
            with pytest.raises(WorkflowFailureError):
                await built.finished()
            await built.until(lambda: not machine.runs(), "the job to be stopped")


def files_in(folder: Path) -> list[Path]:
    """Return the whole files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp")]


async def says(built: Plant, activity: str, words: str) -> bool:
    """Tell whether an activity of the sector is tried again for a reason with these words."""
    if not await built._started(1):
        return False
    pending = (await built.sector().describe()).raw_description.pending_activities
    return any(each.activity_type.name == activity and words in each.last_failure.message for each in pending)
