"""The sealer's workflow on a real server: from Empty to Finished, and every other way that a step can go."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.devnet.queries import order_end
from sealing.failures import Level
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from tests.workflows.histories import assert_within, keep
from tests.world.plant import Plant, plant, working
from workflows.commands import Answer

pytestmark = pytest.mark.server

ROWS = [state.value for state in SEALER.rows if state not in {State.Empty, State.SyntheticPoRepNeeded}]
EXPIRED = {"result": {"Res": 4, "Desc": "ticket expired: ticket epoch 1, head 9999, lifetime 3780"}}


def failed_on_chain(why: str) -> dict[str, object]:
    """Return a poll's answer: failed, and may be sent again."""
    return {"result": {"State": 5, "Desc": why}}


async def answer(built: Plant) -> Answer | None:
    """Return what became of the last command."""
    found: Answer | None = await built.sector().query("last_command", result_type=Answer)
    return found


async def test_a_sector_goes_from_empty_to_finished(temporal: Client, tmp_path: Path) -> None:
    """Every row of the table in order; the manager is told each state; nothing of the sector stays on the machine.

    Its history is some 110 events and 50 KB.
    """
    async with plant(temporal, tmp_path) as built, working(built):
        summary = await built.finished()
        assert summary.state is State.Finished
        assert [stay.state for stay in summary.stays] == ROWS
        assert built.reported() == [*ROWS, "Finished"]
        assert built.observer.timeline(built.id()).proof_verified
        assert [row.ended for row in built.observer.sectors()] == ["finalized"]
        assert built.left_behind() == []
        await keep(built.sector(), "sealer-finished")
        await assert_within(built.sector(), events=130, size=60_000)


async def test_a_synthetic_proof_type_goes_by_its_own_row(temporal: Client, tmp_path: Path) -> None:
    """Proof type 10 goes through SyntheticPoRepNeeded, and ends like any other."""
    async with plant(temporal, tmp_path, proof_types=(10,)) as built, working(built):
        summary = await built.finished()
        assert [stay.state for stay in summary.stays][5:8] == ["PC1Done", "SyntheticPoRepNeeded", "PC2Done"]
        assert built.observer.timeline(built.id()).proof_verified
        await keep(built.sector(), "sealer-synthetic")


async def test_what_fails_on_chain_is_sent_again_with_reset(temporal: Client, tmp_path: Path) -> None:
    """ReSubmitPC and ReSubmitProof lead back one state, and the new submission says that it replaces the old."""
    async with plant(temporal, tmp_path) as built:
        built.proxy.answers["Venus.PollPreCommitState"].append(failed_on_chain("out of gas"))
        built.proxy.answers["Venus.PollProofState"].append(failed_on_chain("out of gas"))
        async with working(built):
            summary = await built.finished()
            states = [stay.state for stay in summary.stays]
            assert states.count(State.PC2Done) == states.count(State.C2Done) == 2
            resets = {
                method: [params[-1] for name, params in built.proxy.calls if name == method]
                for method in ("Venus.SubmitPreCommit", "Venus.SubmitProof")
            }
            assert resets == {"Venus.SubmitPreCommit": [False, True], "Venus.SubmitProof": [False, True]}
            await keep(built.sector(), "sealer-resubmitted")


async def test_a_ticket_that_expires_before_pc2_is_drawn_anew_by_itself(temporal: Client, tmp_path: Path) -> None:
    """After a PC1 that took too long the sector goes back to TreeDBuilt, and PC1 is computed for the new ticket."""
    async with plant(temporal, tmp_path, policy='ticket_lifetime = "5s"') as built:
        built.simulate(pc1={"seconds": 5.5, "times": 1})
        async with working(built):
            summary = await built.finished()
            states = [stay.state for stay in summary.stays]
            assert states[4:10] == ["TicketAssigned", "PC1Done", "TreeDBuilt", "TicketAssigned", "PC1Done", "PC2Done"]
            assert built.proxy.count("Venus.AssignTicket") == 2
            await keep(built.sector(), "sealer-expired-before-pc2")


async def test_a_ticket_that_expires_in_the_queue_for_pc1_is_drawn_anew(temporal: Client, tmp_path: Path) -> None:
    """TicketExpired leads from TicketAssigned to TreeDBuilt, although the ticket was good when the sector queued."""
    limit = "[processors.limitation.concurrent]\npc1 = 1"
    policy = 'ticket_lifetime = "2s"'
    async with plant(temporal, tmp_path, sectors=2, threads=2, processors=limit, policy=policy) as built:
        built.simulate(pc1={"seconds": 3, "times": 1})
        async with working(built):
            summaries = [await built.finished(number) for number in (1, 2)]
            ways = [[stay.state for stay in summary.stays] for summary in summaries]
            assert any(way[at : at + 2] == ["TicketAssigned", "TreeDBuilt"] for way in ways for at in range(len(way)))
            rewound = next(at for at, way in enumerate(ways, 1) if way[4:6] == ["TicketAssigned", "TreeDBuilt"])
            await keep(built.sector(rewound), "sealer-expired-before-pc1")


async def test_a_ticket_that_the_manager_calls_expired_is_drawn_anew(temporal: Client, tmp_path: Path) -> None:
    """A rejection that begins with "ticket expired" rewinds the sector; the new content goes without reset."""
    async with plant(temporal, tmp_path) as built:
        built.proxy.answers["Venus.SubmitPreCommit"].append(EXPIRED)
        async with working(built):
            summary = await built.finished()
            states = [stay.state for stay in summary.stays]
            assert states[6:9] == ["PC2Done", "TreeDBuilt", "TicketAssigned"]
            assert [params[-1] for name, params in built.proxy.calls if name == "Venus.SubmitPreCommit"] == [False] * 2
            await keep(built.sector(), "sealer-expired-at-submission")


async def test_an_expired_ticket_parks_if_the_policy_says_so(temporal: Client, tmp_path: Path) -> None:
    """The seed's second example: the sector stands still, and a resume to TreeDBuilt draws a new ticket."""
    async with plant(temporal, tmp_path, policy='expired_ticket = "park"') as built:
        built.proxy.answers["Venus.SubmitPreCommit"].append(EXPIRED)
        async with working(built):
            status = await built.parked()
            assert (status.state, status.failure and status.failure.level) == (State.PC2Done, Level.Permanent)
            await built.sector().signal("resume", "TreeDBuilt")
            await built.finished()
            assert built.proxy.count("Venus.AssignTicket") == 2
            await keep(built.sector(), "sealer-parked-and-taken-back")


async def test_an_expired_ticket_aborts_if_the_policy_says_so(temporal: Client, tmp_path: Path) -> None:
    """The workflow fails with an error of type Aborted, which says why; the manager is told."""
    async with plant(temporal, tmp_path, policy='expired_ticket = "abort"') as built:
        built.proxy.answers["Venus.SubmitPreCommit"].append(EXPIRED)
        async with working(built):
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert isinstance(ended.value.cause, ApplicationError)
            assert ended.value.cause.type == "Aborted"
            assert "ticket expired" in str(ended.value.cause)
            assert [row.ended for row in built.observer.sectors()] == ["aborted"]
            await keep(built.sector(), "sealer-aborted")


async def test_temporary_failures_are_tried_again_until_they_are_permanent(temporal: Client, tmp_path: Path) -> None:
    """Two retries are allowed here: the third failure parks, with the reason; a resume runs the state again."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(tree_d={"fail": "no such luck", "times": 3})
        async with working(built):
            status = await built.parked()
            assert status.state is State.PieceAdded
            assert status.tries == 3
            assert status.failure is not None
            assert status.failure.level is Level.Permanent
            assert "no such luck" in status.failure.text
            assert "tried 3 times" in status.failure.text
            parked = f"Parked = true AND SectorId = '{built.id()}' AND FailureLevel = 'Permanent'"
            await built.until(lambda: _found(temporal, parked), "the sector to be found by its search attributes")
            await built.until(lambda: built.observer.sectors()[0].failure is not None, "the manager to be told")
            await built.sector().signal("resume")
            summary = await built.finished()
            assert [stay.state for stay in summary.stays] == ROWS
            await keep(built.sector(), "sealer-parked-and-resumed")


async def test_the_count_of_tries_starts_anew_with_each_state(temporal: Client, tmp_path: Path) -> None:
    """Two failures in each of two states park nothing where two retries are allowed."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(tree_d={"fail": "once more", "times": 2}, pc2={"fail": "and again", "times": 2})
        async with working(built):
            summary = await built.finished()
            tries = {stay.state: stay.tries for stay in summary.stays}
            assert (tries[State.PieceAdded], tries[State.PC1Done], tries[State.TreeDBuilt]) == (3, 3, 1)
            await keep(built.sector(), "sealer-retried")


async def test_a_resume_that_cannot_be_is_refused_and_harms_nothing(temporal: Client, tmp_path: Path) -> None:
    """Unknown states, the start, the end, and states whose needs are not met: each is refused with its reason."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": "broken", "times": 3})
        async with working(built):
            await built.parked()
            for state, why in (
                ("Nowhere", "there is no state 'Nowhere'"),
                ("Empty", "sealer cannot be resumed to Empty"),
                ("Finished", "sealer cannot be resumed to Finished"),
                ("SnapEncoded", "sealer cannot be resumed to SnapEncoded"),
                ("C1Done", "C1Done needs c1_output"),
                ({"state": "PC1Done", "nonsense": 1}, "resume does not know nonsense"),
                (["PC1Done"], "resume takes nothing, a string or an object"),
            ):
                await built.sector().signal("resume", state)
                refused = await answer(built)
                assert refused is not None
                assert why in (refused.refused or "")
                assert (await built.status()).state is State.PC1Done
            await built.sector().signal("resume", {"state": "TicketAssigned"})
            summary = await built.finished()
            assert [stay.state for stay in summary.stays].count(State.TicketAssigned) == 2
            await keep(built.sector(), "sealer-refused")


async def test_a_resume_of_a_running_sector_is_refused(temporal: Client, tmp_path: Path) -> None:
    """Nothing is resumed that does not stand still, and the operator is told."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 1})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            await built.sector().signal("resume", "TreeDBuilt")
            refused = await answer(built)
            assert "the sector is running in TicketAssigned" in ((refused and refused.refused) or "")
            summary = await built.finished()
            assert [stay.state for stay in summary.stays] == ROWS
            scheduled = [
                event.activity_task_scheduled_event_attributes.activity_type.name
                async for event in built.sector().fetch_history_events()
            ]
            assert scheduled.count("pc1") == 1, "what runs is not disturbed by what is refused"


async def test_resume_to_abort_ends_the_task_and_frees_the_thread(temporal: Client, tmp_path: Path) -> None:
    """The seed's first example: the task ends, its files go, the manager is told once, the thread goes on."""
    async with plant(temporal, tmp_path, sectors=2) as built:
        built.simulate(pc2={"fail": "beyond repair", "times": 3})
        async with working(built):
            await built.parked(1)
            await built.sector(1).signal("resume", "Abort")
            with pytest.raises(WorkflowFailureError, match="failed"):
                await built.finished(1)
            await built.finished(2)
            assert [row.ended for row in built.observer.sectors()] == ["aborted", "finalized"]
            assert built.proxy.count("Venus.ReportAborted") == 1
            assert built.left_behind() == []


async def test_an_end_from_the_managers_side_ends_a_parked_task(temporal: Client, tmp_path: Path) -> None:
    """The answer Finalized to a report ends the task with the manager's reason, and nothing is reported back."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": "broken", "times": 3})
        async with working(built):
            await built.until(lambda: "PC1Done" in built.reported(), "PC2 to begin")
            order_end(built.devnet.config.data, built.id(), "the miner is leaving")
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert "the miner is leaving" in str(ended.value.cause)
            assert built.proxy.count("Venus.ReportAborted") == 0
            assert built.left_behind() == []
            await keep(built.sector(), "sealer-ended-by-manager")


async def test_a_cancelled_workflow_is_an_abort(temporal: Client, tmp_path: Path) -> None:
    """The Web UI's biggest button: the job is stopped, the files go, the manager is told."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 30})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            await built.sector().cancel()
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
            assert isinstance(ended.value.cause, ApplicationError)
            assert ended.value.cause.type == "Aborted"
            assert [row.ended for row in built.observer.sectors()] == ["aborted"]
            assert built.left_behind() == []
            await keep(built.sector(), "sealer-cancelled")


async def _found(client: Client, query: str) -> bool:
    return any([found async for found in client.list_workflows(query)])
