"""Ends that a task does not come to by itself: terminated, reset, or aborted while its machine is away."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError

from activities.step import StepInterceptor
from sealing.devnet.pool import Kind
from sealing.failures import Level
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.processors.job import running_jobs
from sealing.sector import thread_id
from tests.workflows.histories import keep
from tests.world.plant import Plant, plant, working
from workers.assembly import fleet_worker

pytestmark = pytest.mark.server

AT_ONCE = 'terminated_grace = "100ms"'


def jobs(built: Plant) -> list[str]:
    """Return the stages whose jobs run on the plant's machine."""
    return [job.path.name for job in running_jobs(built.folder / "threads" / "0" / "data" / "jobs")]


async def decided_at(built: Plant, activity: str) -> list[int]:
    """Return the workflow tasks of the sector that ordered an activity, local or not, by their events' ids."""
    found, decided = [], 0
    async for event in built.sector().fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            decided = event.event_id
        marker = event.marker_recorded_event_attributes.details.get("data")
        said = b"".join(each.data for each in marker.payloads) if marker else b""
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity or activity.encode() in said:
            found.append(decided)
    return found


async def reset(built: Plant, before: str, nth: int = 1) -> str:
    """Reset the sector's workflow to where it stood when it was about to run the named activity for the nth time."""
    handle = built.sector()

    async def was_ordered() -> bool:
        return len(await decided_at(built, before)) >= nth

    await built.until(was_ordered, f"{before} to be ordered {nth} times")
    event = (await decided_at(built, before))[nth - 1]
    described = await handle.describe()
    answer = await built.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=built.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=described.run_id),
            reason="a test",
            workflow_task_finish_event_id=event,
            request_id=str(uuid.uuid4()),
        )
    )
    return answer.run_id


async def test_a_terminated_task_is_cleared_away(temporal: Client, tmp_path: Path) -> None:
    """Nothing of it is on chain: the job is stopped, the files go, the manager is told why, the thread goes on."""
    async with plant(temporal, tmp_path, sectors=2, policy=AT_ONCE) as built:
        built.simulate(pc1={"seconds": 60, "times": 1})
        async with working(built):
            await built.until(lambda: jobs(built) == ["pc1"], "PC1 to run")
            await built.sector(1).terminate(reason="by mistake")
            await built.finished(2)
            assert jobs(built) == []
            assert built.left_behind() == []
            first, second = built.observer.sectors()
            assert (first.ended, second.ended) == ("aborted", "finalized")
            assert "terminated in Temporal" in (first.end_reason or "")
            assert "by mistake" in (first.end_reason or "")
            assert not (tmp_path / "threads" / "0" / "quarantine").exists()


async def test_what_may_be_on_chain_is_kept_in_quarantine(temporal: Client, tmp_path: Path) -> None:
    """A task that was terminated after its pre-commit was sent: its replica is set aside, with a note, not removed."""
    async with plant(temporal, tmp_path, sectors=1, policy=AT_ONCE, landed_after=100_000) as built, working(built):
        await built.until(lambda: "PCSubmitted" in built.reported(), "the pre-commit to be sent")
        await built.sector().terminate(reason="by mistake")
        await built.until(lambda: built.observer.sectors()[0].ended == "aborted", "the manager to be told")
        (kept,) = (tmp_path / "threads" / "0" / "quarantine").iterdir()
        assert kept.name.startswith(str(built.id()))
        assert (kept / "sealed" / str(built.id())).is_file()
        assert (kept / "cache" / str(built.id()) / "p_aux").is_file()
        assert "terminated in Temporal" in (kept / "why.txt").read_text()
        assert (kept / "jobs" / str(built.id()) / "pc2" / "output.json").is_file()
        await built.until(lambda: not (tmp_path / "threads" / "0" / "data" / "claim.json").exists(), "the claim to go")
        assert [path for path in built.left_behind() if "quarantine" not in path.parts] == []


async def test_files_that_nobody_knows_are_set_aside(temporal: Client, tmp_path: Path) -> None:
    """Left by nobody knows what: they are in quarantine with a note before the thread takes its sector."""
    async with plant(temporal, tmp_path) as built:
        built.simulate()
        location, stranger = tmp_path / "threads" / "0", f"s-t0{built.miner}-99"
        replica = location / "data" / "sealed" / stranger
        replica.parent.mkdir(parents=True, exist_ok=True)
        replica.write_text("replica")
        async with working(built):
            await built.finished()
        (kept,) = (location / "quarantine").iterdir()
        assert kept.name.startswith(stranger)
        assert (kept / "sealed" / stranger).read_text() == "replica"
        assert "no state file" in (kept / "why.txt").read_text()
        assert not replica.exists()


async def test_within_the_grace_nothing_is_touched(temporal: Client, tmp_path: Path) -> None:
    """A termination may be a mistake, or half of a reset: the thread says how long it waits, the job runs on."""
    async with plant(temporal, tmp_path, policy='terminated_grace = "1h"') as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: jobs(built) == ["pc1"], "PC1 to run")
            await built.sector().terminate(reason="by mistake")
            thread = temporal.get_workflow_handle(thread_id(built.config.worker.name, tmp_path / "threads" / "0"))

            async def said() -> bool:
                pending = (await thread.describe()).raw_description.pending_activities
                return any("its files are cleared in 3" in one.last_failure.message for one in pending)

            await built.until(said, "the thread to say that it waits")
            assert jobs(built) == ["pc1"]
            assert [row.ended for row in built.observer.sectors()] == [None]


async def test_a_reset_while_a_stage_runs_takes_its_job_up(temporal: Client, tmp_path: Path) -> None:
    """The new run waits for the job that the old one started; nothing is computed twice, and the thread follows."""
    async with plant(temporal, tmp_path, sectors=2, policy=AT_ONCE) as built:
        built.simulate(pc1={"seconds": 3, "times": 1})
        async with working(built):
            await built.until(lambda: jobs(built) == ["pc1"], "PC1 to run")
            await built.sector().signal("pause")  # so that the ticket is drawn in an earlier workflow task
            await built.parked()
            await built.sector().signal("resume")
            await reset(built, "pc1", nth=2)
            await built.finished(1)
            await keep(built.sector(1), "sealer-reset")
            await built.finished(2)
            counts = (tmp_path / "simulated.json.counts").read_text()
            assert '"pc1": 2' in counts, "one for each sector"
            assert [row.ended for row in built.observer.sectors()] == ["finalized", "finalized"]


async def test_a_reset_to_before_the_submission_sends_the_same_again(temporal: Client, tmp_path: Path) -> None:
    """The replica is looked at on its machine first; the same content is a duplicate there, and lands once."""
    async with plant(temporal, tmp_path, landed_after=60, packed_after=1) as built, working(built):
        await built.until(lambda: "PCSubmitted" in built.reported(), "the pre-commit to be sent")
        await reset(built, "submit_precommit")
        await built.finished()
        await keep(built.sector(), "sealer-reset-to-submission")
        sent = [params for name, params in built.proxy.calls if name == "Venus.SubmitPreCommit"]
        assert len(sent) == 2
        assert sent[0][:2] == sent[1][:2]
        assert [each.kind for each in built.observer.messages(built.id())] == [Kind.PRECOMMIT, Kind.PROOF]


async def test_a_reset_to_before_the_ticket_draws_none_over_a_precommit(temporal: Client, tmp_path: Path) -> None:
    """A new ticket would wipe the replica that is on chain: the sector parks, says why, and a later reset saves it."""
    async with plant(temporal, tmp_path, landed_after=200, packed_after=1) as built, working(built):
        await built.until(lambda: "PCSubmitted" in built.reported(), "the pre-commit to be sent")
        await reset(built, "assign_ticket")
        status = await built.parked()
        assert (status.state, status.failure and status.failure.level) == (State.TreeDBuilt, Level.Permanent)
        assert "reset the workflow to after its ticket was drawn" in (status.failure.text if status.failure else "")
        assert built.proxy.count("Venus.SubmitPreCommit") == 1
        assert (tmp_path / "threads" / "0" / "data" / "sealed" / str(built.id())).is_file()


async def test_a_reset_to_a_replica_that_is_gone_sends_nothing(temporal: Client, tmp_path: Path) -> None:
    """After a rewind another replica is on the disk: the earlier one's commitment is not sent without its files."""
    async with plant(temporal, tmp_path, policy='expired_ticket = "park"') as built:
        expired = {"result": {"Res": 4, "Desc": "ticket expired: ticket epoch 1, head 9999, lifetime 3780"}}
        built.proxy.answers["Venus.SubmitPreCommit"].append(expired)
        built.simulate(c1={"fail": "broken", "times": 3})
        async with working(built):
            await built.parked()
            await built.sector().signal("resume", "TreeDBuilt")
            await built.until(lambda: "SeedAssigned" in built.reported(), "the second replica to be on chain")
            assert (await built.parked()).state is State.SeedAssigned
            await reset(built, "submit_precommit")
            status = await built.parked()
            assert (status.state, status.failure and status.failure.level) == (State.PC2Done, Level.Permanent)
            assert "the replica here is not the one with comm_r" in (status.failure.text if status.failure else "")
            assert built.proxy.count("Venus.SubmitPreCommit") == 2
            await keep(built.sector(), "sealer-reset-too-far")


@pytest.mark.parametrize("argument", [{"force": True}, None], ids=["force", "patience"])
async def test_an_abort_ends_although_the_machine_is_gone(
    temporal: Client, tmp_path: Path, argument: dict[str, bool] | None
) -> None:
    """In bounded time, or at once with force: the manager is told; what is left goes when the machine comes back."""
    async with plant(temporal, tmp_path, sectors=2, policy='abort_patience = "500ms"') as built:
        built.simulate(pc1={"seconds": 60, "times": 1})
        async with working(built):
            await built.until(lambda: jobs(built) == ["pc1"], "PC1 to run")
        async with (
            Manager(built.config.manager.rpc_client.addr) as manager,
            fleet_worker(temporal, built.config.temporal.task_queue, manager, StepInterceptor()),
        ):
            await built.sector().signal("abort", argument)
            with pytest.raises(WorkflowFailureError):
                await built.finished(1)
            assert built.observer.sectors()[0].ended == "aborted"
            assert jobs(built) == ["pc1"]
            await keep(built.sector(1), f"sealer-aborted-without-its-machine-{'by-force' if argument else 'in-time'}")
        async with working(built):
            await built.finished(2)
            assert jobs(built) == []
            assert built.left_behind() == []
