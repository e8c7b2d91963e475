"""A scripted run of both flows with failures, on a worker that is a program: each metric is there, and it is right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from sealing.devnet.faults.book import order_fault
from sealing.devnet.faults.kinds import FAULT
from sealing.flow.registry import LATEST
from sealing.flow.snapup import SNAPUP
from sealing.flow.state import State
from sealing.metrics.definitions import BY_METER, BY_WORKFLOWS, DEFINITIONS
from sealing.processors.folder import JobFolder
from sealing.sector import Stay
from sealing.stores.layout import SectorFiles
from tests.survival.program import WorkerProgram, program
from tests.world.plant import Plant, plant
from tests.world.scraped import METRICS, Scrape, scrape
from workers.devserver import pick_port

pytestmark = pytest.mark.server

PROCESSORS = """\
[processors.limitation.concurrent]
pc1 = 1
[processors.limitation.staggered]
pc2 = "12s"
[processors.ext_locks]
gpu = 1
[[processors.c2]]
locks = ["gpu"]
"""
EARLIER_LIFE = (State.Allocated, State.DealsAcquired, State.PieceAdded, State.TreeDBuilt)
"""The states that the sector has left before the worker is killed, whose counts went with it."""
STARTED = (
    "snap_encode",
    "snap_vanilla",
    "snap_prove",
    "verify_snap",
    "verify_seal",
    "add_pieces",
    "tree_d",
    "c1",
    "c2",
)
JOBS = {
    **{(stage, "started"): 1.0 for stage in STARTED},
    ("pc1", "adopted"): 1,
    ("pc2", "started"): 1,
    ("pc2", "restarted"): 1,
    ("c1", "attached"): 1,
    ("c2", "taken"): 1,
}
"""How attempts came to their jobs; what the upgrade has in common with sealing ran there alone in the second life."""
RAN = {stage: 1.0 for stage, _ in JOBS}
TRIES = 3
"""As often as the settings of a plant have a step tried."""


@dataclass
class Script:
    """The run: the plant, the worker, and what was seen on the way."""

    built: Plant
    worker: WorkerProgram
    port: int
    names: set[str] = field(default_factory=set)
    """Every sample's name that was ever seen."""

    @property
    def gates(self) -> Path:
        """Where the files are that let stages end."""
        return self.built.folder / "gates"

    def hold(self, *stages: str) -> dict[str, dict[str, str]]:
        """Return what makes stages last until they are let go."""
        return {stage: {"until": str(self.gates / stage)} for stage in stages}

    def release(self, stage: str) -> None:
        """Let a stage end."""
        (self.gates / stage).touch()

    async def running(self, stage: str) -> JobFolder:
        """Wait until a stage's process runs."""
        folder = JobFolder.at(
            SectorFiles.local(self.built.config.sealing_thread[0].location, self.built.id()).job(stage)
        )
        await self.built.until(lambda: folder.is_running() and folder.leader(), f"{stage} to run")
        return folder

    async def look(self) -> Scrape:
        """Return how it stands."""
        found = await scrape(self.port)
        self.names |= {name for name, _ in found.samples}
        return found

    async def once(self, name: str, value: float = 1, **labels: str) -> Scrape:
        """Return the first scrape in which samples add up to a value; a worker that starts gives none yet."""
        found: list[Scrape] = []

        async def holds() -> bool:
            try:
                found[:] = [await self.look()]
            except httpx.ConnectError:
                return False
            return found[0].total(name, **labels) == value

        await self.built.until(holds, f"{name} {labels} to be {value:g}")
        return found[0]

    async def stand_still(self, activity: str) -> None:
        """Pause the sector, and wait until it stands and its activity has let go, which a heartbeat tells it."""
        await self.built.sector().signal("pause")
        await self.built.parked()

        async def let_go() -> bool:
            described = await self.built.sector().describe()
            return all(each.activity_type.name != activity for each in described.raw_description.pending_activities)

        await self.built.until(let_go, f"{activity} to be let go of")


@asynccontextmanager
async def scripted(client: Client, folder: Path) -> AsyncIterator[Script]:
    """Give a plant with a thread for each flow whose worker was killed while PC1 ran, and runs again."""
    port = pick_port(None)
    metrics = METRICS.format(port=port)
    async with plant(client, folder, threads=2, worker=metrics, processors=PROCESSORS, hold_seconds=30) as built:
        text = built.file.read_text()
        head, last = text.rsplit("[[sealing_thread]]\n", 1)
        built.file.write_text(f'{head}[[sealing_thread]]\nplan = "{SNAPUP.name}"\n{last}')
        (folder / "gates").mkdir()
        script = Script(built, WorkerProgram(built), port)
        built.simulate(**script.hold("pc1", "c1", "c2"), pc2={"fail": "the GPU fell off the bus", "times": 1})
        async with program(built) as first:
            await script.running("pc1")
            first.kill()
            await first.gone()
        async with program(built) as script.worker:
            yield script


@pytest.mark.timeout(300)
async def test_each_metric_is_there_and_right(temporal: Client, tmp_path: Path) -> None:
    """A job adopted, stages that fail, wait, and are let go of, a sector that is parked, lost calls, an upgrade."""
    async with scripted(temporal, tmp_path) as script:
        built = script.built
        _order(built)
        await _until_parked(script)
        await _paused_and_resumed(script)
        sealed = await built.finished()
        built.flow = SNAPUP.name
        upgraded = await built.finished()

        fleet, ended = built.config.temporal.task_queue, time.time()
        await script.once("sealflow_transitions_total", fleet=fleet, flow="snapup", event="Finish")
        await built.until(lambda: _counted_after(script, ended), "a count after the end")
        seen = await script.look()
        assert not any(seen.by("sealflow_sectors", "fleet").values())
        assert set(seen.by("sealflow_sectors", "fleet")) == {fleet}
        _compare(seen, "sealer", [stay for stay in sealed.stays if stay.state not in EARLIER_LIFE], began=0)
        _compare(seen, "snapup", upgraded.stays, began=1)
        _compare_scripted(seen, built)
        _compare_names(seen, script.names)
        assert await script.worker.terminate() == 0


def _order(built: Plant) -> None:
    """Order all that goes wrong, and the deal of the upgrade."""
    fault = {"kind": "outcome", "message": "precommit", "state": "Failed"}
    order_fault(built.devnet.config, FAULT.validate_python(fault), time.time)
    built.proxy.lose["Venus.SubmitPreCommit"] = 1
    built.proxy.answers["Venus.SubmitPersistedEx"] += [{"result": False}] * TRIES
    built.proxy.answers["Venus.SubmitSnapUpProof"].append({"result": {"Res": 5, "Desc": "not in the store"}})
    built.deal(b"what a client wants to have back " * 40)


async def _until_parked(script: Script) -> None:
    """Follow the sector from the PC1 that was adopted until the manager finds no files."""
    fleet = script.built.config.temporal.task_queue
    seen = await script.once("sealflow_jobs_total", stage="pc1", how="adopted")
    assert seen.value("sealflow_stage_slots_used", stage="pc1") == 1
    assert seen.value("sealflow_stage_slots_total", stage="pc1") == 1
    assert 0 < seen.value("sealflow_stage_longest_run_seconds", stage="pc1") < 60
    seen = await script.once("sealflow_sectors", fleet=fleet, flow="sealer", state="TicketAssigned")
    assert seen.value("sealflow_ticket_left_seconds_gcount", fleet=fleet) == 1
    assert 86_000 < seen.value("sealflow_ticket_left_seconds_gsum", fleet=fleet) < 86_400
    script.release("pc1")

    seen = await script.once("sealflow_stage_waiting", stage="pc2", lack="start")
    assert 0 <= seen.value("sealflow_stage_longest_wait_seconds", stage="pc2") < 60
    stopped = await script.built.parked()
    assert stopped.state is State.Persisted
    seen = await script.once("sealflow_sectors_parked", fleet=fleet, flow="sealer", level="Permanent")
    assert seen.value("sealflow_ticket_left_seconds_gcount", fleet=fleet) == 0, "the pre-commit is on chain"
    await script.built.sector().signal("resume")


async def _paused_and_resumed(script: Script) -> None:
    """Let go of C1 while it runs, and of C2 until after it has ended."""
    built = script.built
    await script.running("c1")
    await script.stand_still("c1")
    fleet = built.config.temporal.task_queue
    await script.once("sealflow_sectors_parked", fleet=fleet, flow="sealer", level="none")
    await built.sector().signal("resume")
    await script.once("sealflow_jobs_total", stage="c1", how="attached")
    script.release("c1")

    job = await script.running("c2")
    seen = await script.look()
    assert seen.value("sealflow_lock_held", lock="gpu") == seen.value("sealflow_lock_total", lock="gpu") == 1
    assert seen.value("sealflow_lock_waiting", lock="gpu") == 0
    await script.stand_still("c2")
    script.release("c2")
    await built.until(lambda: not job.is_running(), "C2 to end without anybody")
    await built.sector().signal("resume")


async def _counted_after(script: Script, moment: float) -> bool:
    fleet = script.built.config.temporal.task_queue
    return (await script.look()).value("sealflow_fleet_counted_timestamp_seconds", fleet=fleet) > moment


def _compare(seen: Scrape, flow: str, stays: Sequence[Stay], began: int) -> None:
    """Compare what workflows have counted with what their histories say; ``began``: tasks that began meanwhile."""
    (first,) = (event.__name__ for event in LATEST[flow].rows[State.Empty].edges)
    events = Counter({first: began}) + Counter(stay.left_by for stay in stays)
    assert seen.by("sealflow_transitions_total", "event", flow=flow) == events
    assert seen.by("sealflow_state_seconds_count", "state", flow=flow) == Counter(stay.state.value for stay in stays)
    for state, seconds in seen.by("sealflow_state_seconds_sum", "state", flow=flow).items():
        assert seconds == pytest.approx(sum(stay.seconds for stay in stays if stay.state == state), abs=1e-3)


def _compare_scripted(seen: Scrape, built: Plant) -> None:
    """Compare the rest with what was scripted."""
    assert seen.rows("sealflow_failures_total", "flow", "step", "level") == {
        ("sealer", "pc2", "Temporary"): 1,
        ("sealer", "submit_persisted", "Temporary"): TRIES,
    }
    retries = {("sealer", "pc2"): 1, ("sealer", "submit_persisted"): TRIES - 1}
    assert seen.rows("sealflow_retries_total", "flow", "step") == retries
    assert seen.by("sealflow_chain_wait_seconds_count", "step") == {
        "check_precommit": 2,
        "wait_seed": 1,
        "check_proof": 1,
    }
    assert seen.rows("sealflow_rpc_errors_total", "method", "kind") == {("Venus.SubmitPreCommit", "Outage"): 1}
    assert seen.by("sealflow_rpc_seconds_count", "method")["Venus.SubmitPreCommit"] == 3
    polls = {"Venus.PollPreCommitState", "Venus.PollProofState"}
    assert set(seen.by("sealflow_rpc_held_total", "method")) == polls
    assert not polls & set(seen.by("sealflow_rpc_seconds_count", "method"))
    assert seen.rows("sealflow_jobs_total", "stage", "how") == JOBS
    assert seen.by("sealflow_stage_run_seconds_count", "stage") == RAN
    assert seen.by("sealflow_stage_wait_seconds_sum", "stage")["pc2"] > 1, "the second start is staggered"
    stored = sum(path.stat().st_size for path in (built.folder / "store").rglob("*") if path.is_file())
    assert seen.by("sealflow_stored_bytes_total", "store") == {"store": stored}
    assert seen.by("sealflow_store_up", "store") == {"store": 1}
    assert set(seen.by("sealflow_location_free_bytes", "location")) == {
        str(thread.location) for thread in built.config.sealing_thread
    }
    assert seen.by("sealflow_build_info", "worker") == {built.config.worker.name: 1}
    assert time.time() - seen.value("sealflow_manager_answered_timestamp_seconds") < 60


def _compare_names(seen: Scrape, names: set[str]) -> None:
    """Every metric of the table was there with a value, nothing of ours is not in it; the SDK's are there too."""
    ours = {name for name in names if name.startswith("sealflow_")}
    assert ours == {name for metric in DEFINITIONS for name in metric.series}
    for metric in DEFINITIONS:
        family = seen.families[metric.name]
        assert family.documentation == metric.text
        labels = {*metric.labels, *(BY_METER if metric in BY_WORKFLOWS else ())}
        assert all(labels == {*sample.labels} - {"le"} for sample in family.samples)
    assert seen.by("temporal_workflow_completed_total", "workflow_type")["Sealer"] == 1
    assert seen.by("temporal_activity_schedule_to_start_latency_seconds_count", "namespace")["default"] > 0
