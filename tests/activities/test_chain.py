"""The steps that send something to the chain, and what an expired ticket comes to."""

from __future__ import annotations

import time
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
from temporalio.testing import ActivityEnvironment

from activities.chain import ChainActivities
from activities.proving import ProvingActivities
from activities.stages import Stages
from sealing.failures import Abort, Permanent, Wait
from sealing.flow.events import (
    AssignTicket,
    Event,
    SubmitPC,
    SubmitProof,
    TicketExpired,
)
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.manager.wire import OnChain, Polled, SubmitRes, Submitted
from sealing.processors.admission import Admission
from sealing.sector import Home, Sector, Settings, Task
from sealing.values import UNKNOWN, FileRef, Piece, SectorId, Submission, Ticket

HOUR = 3600.0
EXPIRED = Submitted(res=SubmitRes.Rejected, desc="ticket expired: ticket epoch 1, head 9999, lifetime 3780")


def task(*, drawn_ago: float = 0.0, sent: str | None = None, sent_at: float = 0.0, **settings: object) -> Task:
    """Return a task at the point of PC1, PC2 or the pre-commit."""
    sector = Sector(
        home=Home(worker="w", location="/nowhere"),
        id=SectorId(miner=1000, number=1),
        proof_type=5,
        pieces=(Piece(commitment="2" * 64, size=2048),),
        tree_d="/nowhere/tree-d",
        ticket=Ticket(ticket="3" * 64, epoch=10, drawn_at=time.time() - drawn_ago),
        pc1_output=FileRef(path="/nowhere/output", size=1, sha256="0" * 64),
        comm_r="4" * 64,
        comm_d="5" * 64,
        precommit_sent=None if sent is None else Submission(digest=sent, at=sent_at),
    )
    return Task(sector=sector, settings=Settings.model_validate(settings), state=State.PC2Done)


def proving() -> ProvingActivities:
    """Return the stages' activities, with a program that would fail if it were run."""

    def none(stage: str) -> None:
        raise AssertionError(f"{stage} was run")

    return ProvingActivities(Stages(none, Admission({})), AsyncMock(return_value=True))  # type: ignore[arg-type]


def chain(**answers: object) -> tuple[ChainActivities, AsyncMock]:
    """Return the chain's activities with a manager that gives these answers, and is known to hold no question."""
    manager = AsyncMock(spec=Manager)
    for name, answer in answers.items():
        getattr(manager, name).return_value = answer
    activities = ChainActivities(manager)
    activities.rhythm.is_held = False
    return activities, manager


async def at_expiry(place: str, policy: str) -> Event:
    """Run the step of a place where a ticket can be found to have expired: 25 hours after it was drawn."""
    old = task(drawn_ago=25 * HOUR, expired_ticket=policy)
    if place != "submit_precommit":
        return await ActivityEnvironment().run(getattr(proving(), place), old)
    activities, _ = chain(submit_precommit=EXPIRED, poll_precommit=Polled(state=OnChain.NotFound, desc=""))
    return await ActivityEnvironment().run(activities.submit_precommit, old)


PLACES = {
    "pc1": "ticket expired: drawn 90000 s ago at epoch 10, good for 86400 s",
    "pc2": "ticket expired: drawn 90000 s ago at epoch 10, good for 86400 s",
    "submit_precommit": "ticket expired: ticket epoch 1, head 9999, lifetime 3780",
}
"""Where an expired ticket is noticed: before PC1, before PC2, and when the manager refuses it. What is said of it."""


@pytest.mark.parametrize("place", PLACES)
async def test_an_expired_ticket_rewinds(place: str) -> None:
    """By itself, the step leads back to TreeDBuilt; nothing is computed on the ticket."""
    event = await at_expiry(place, "rewind")
    assert isinstance(event, TicketExpired)
    assert event.expired_ticket.epoch == 10


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("policy", "failure"), [("park", Permanent), ("abort", Abort)])
async def test_the_policy_says_what_becomes_of_it(place: str, policy: str, failure: type[Exception]) -> None:
    """Park says why and how to go on; abort ends the task."""
    with pytest.raises(failure, match=PLACES[place]) as failed:
        await at_expiry(place, policy)
    assert ("resume to TreeDBuilt draws a new ticket" in str(failed.value)) is (policy == "park")


@pytest.mark.parametrize("state", [OnChain.Failed, OnChain.PermFailed, OnChain.ShouldAbort])
async def test_an_expired_ticket_of_what_failed_on_chain_rewinds(state: OnChain) -> None:
    """Such a pre-commit is not on chain, and never comes there: a new ticket is drawn."""
    activities, _ = chain(submit_precommit=EXPIRED, poll_precommit=Polled(state=state, desc=""))
    assert isinstance(await ActivityEnvironment().run(activities.submit_precommit, task()), TicketExpired)


async def test_an_expired_ticket_of_what_is_on_chain_goes_on() -> None:
    """The manager looks at the age first: the same content that is pending or landed is taken for submitted."""
    activities, _ = chain(submit_precommit=EXPIRED, poll_precommit=Polled(state=OnChain.Packed, desc=""))
    event = await ActivityEnvironment().run(activities.submit_precommit, task())
    assert isinstance(event, SubmitPC)
    with pytest.raises(Permanent, match="another content is Packed"):
        await ActivityEnvironment().run(activities.submit_precommit, task(sent="f" * 64))


async def test_an_expired_ticket_of_what_is_not_on_chain_rewinds() -> None:
    """Nothing of it is on chain: a new ticket is drawn."""
    activities, _ = chain(submit_precommit=EXPIRED, poll_precommit=Polled(state=OnChain.NotFound, desc=""))
    event = await ActivityEnvironment().run(activities.submit_precommit, task())
    assert isinstance(event, TicketExpired)


async def test_changed_content_is_sent_with_reset_and_the_same_is_not() -> None:
    """Whoever sends something else than before says so; a repetition is none."""
    activities, manager = chain(submit_precommit=Submitted(res=SubmitRes.Accepted, desc=""))
    first = await ActivityEnvironment().run(activities.submit_precommit, task())
    assert isinstance(first, SubmitPC)
    await ActivityEnvironment().run(activities.submit_precommit, task(sent=first.precommit_sent.digest))
    await ActivityEnvironment().run(activities.submit_precommit, task(sent="f" * 64))
    assert [call.kwargs["reset"] for call in manager.submit_precommit.await_args_list] == [False, False, True]


@pytest.mark.parametrize(
    ("res", "desc", "failure"),
    [
        (SubmitRes.MismatchedSubmission, "other content", Permanent),
        (SubmitRes.FilesMissed, "no files", Permanent),
        (SubmitRes.Rejected, "sector is terminated", Abort),
        (SubmitRes.Rejected, "invalid proof: it is", Permanent),
        (SubmitRes.Rejected, "verify seal: no", Permanent),
    ],
)
async def test_a_submission_that_is_not_taken_fails_by_its_kind(
    res: SubmitRes, desc: str, failure: type[Exception]
) -> None:
    """With the method, the result and the reason."""
    nowhere = Polled(state=OnChain.NotFound, desc="")
    activities, _ = chain(submit_precommit=Submitted(res=res, desc=desc), poll_precommit=nowhere)
    with pytest.raises(failure, match=f"SubmitPreCommit: {res.name}: {desc}"):
        await ActivityEnvironment().run(activities.submit_precommit, task())


async def test_what_is_refused_and_on_chain_was_sent_before() -> None:
    """Whatever the reason: an answer was lost. But not where the earlier one had another content."""
    refused, there = Submitted(res=SubmitRes.Rejected, desc="no more"), Polled(state=OnChain.Landed, desc="")
    activities, _ = chain(
        submit_precommit=refused, poll_precommit=there, submit_proof=refused, poll_proof=there.model_copy()
    )
    assert isinstance(await ActivityEnvironment().run(activities.submit_precommit, task()), SubmitPC)
    unsure = task(sent=UNKNOWN)
    assert isinstance(await ActivityEnvironment().run(activities.submit_precommit, unsure), SubmitPC)
    for other in (task(sent="f" * 64), later(unsure)):
        with pytest.raises(Permanent, match="another content is Landed"):
            await ActivityEnvironment().run(activities.submit_precommit, other)
    sent = await ActivityEnvironment().run(activities.submit_proof, proved(reset=False))
    assert isinstance(sent, SubmitProof)


def later(before: Task) -> Task:
    """Return the task after a way back."""
    return before.model_copy(update={"sector": before.sector.model_copy(update={"round": before.sector.round + 1})})


async def test_no_ticket_is_drawn_over_what_is_on_chain() -> None:
    """Of a sector that went back, or whose workflow was reset; a new one is not asked about."""
    there = Polled(state=OnChain.Pending, desc="")
    activities, manager = chain(poll_precommit=there, assign_ticket=Ticket(ticket="3" * 64, epoch=11))
    for gone_back in (later(task()), task().model_copy(update={"reset": True})):
        with pytest.raises(Permanent, match="would wipe the only replica"):
            await ActivityEnvironment().run(activities.assign_ticket, gone_back)
    assert not manager.assign_ticket.called
    assert isinstance(await ActivityEnvironment().run(activities.assign_ticket, task()), AssignTicket)
    manager.poll_precommit.return_value = Polled(state=OnChain.Failed, desc="")
    assert isinstance(await ActivityEnvironment().run(activities.assign_ticket, later(task())), AssignTicket)


async def test_tickets_are_not_drawn_in_a_hurry() -> None:
    """One that expires as soon as it is drawn tells of a wrong clock: the next is drawn after recover_interval."""
    activities, manager = chain(assign_ticket=Ticket(ticket="3" * 64, epoch=11))
    for age, waits in ((5, True), (61, False), (-5, False)):
        young = Ticket(ticket="3" * 64, epoch=10, drawn_at=time.time() - age)
        drawing = task().model_copy(update={"sector": task().sector.model_copy(update={"expired_ticket": young})})
        manager.assign_ticket.reset_mock()
        if waits:
            with pytest.raises(Wait, match="is a clock wrong") as wait:
                await ActivityEnvironment().run(activities.assign_ticket, drawing)
            assert wait.value.delay == pytest.approx(60 - age, abs=2)
        else:
            await ActivityEnvironment().run(activities.assign_ticket, drawing)
        assert manager.assign_ticket.called is not waits


@pytest.mark.parametrize("res", [SubmitRes.MismatchedSubmission, SubmitRes.Rejected])
async def test_an_upgrade_is_aborted_only_where_none_was_sent_before(res: SubmitRes) -> None:
    """Where one may have been accepted the sector parks: an abort would free the deals of a replica on chain."""
    activities, _ = chain(submit_snapup_proof=Submitted(res=res, desc="no"))
    made = task().sector.model_copy(update={"proof": "AAAA", "persisted_in": "store", "deals": ()})
    fresh = task().model_copy(update={"sector": made})
    doubted = made.model_copy(update={"proof_sent": Submission(digest=UNKNOWN)})
    with pytest.raises(Abort):
        await ActivityEnvironment().run(activities.submit_snapup_proof, fresh)
    again = ActivityEnvironment()
    again.info = replace(again.info, attempt=2)
    for environment, known in (
        (ActivityEnvironment(), later(fresh)),
        (ActivityEnvironment(), fresh.model_copy(update={"reset": True})),
        (ActivityEnvironment(), fresh.model_copy(update={"sector": doubted})),
        (again, fresh),
    ):
        with pytest.raises(Permanent, match="may have been accepted"):
            await environment.run(activities.submit_snapup_proof, known)


async def test_a_worker_without_parameters_waits_for_them() -> None:
    """C2 does not fail for want of parameters: it says how to get them."""
    activities = ProvingActivities(proving().stages, AsyncMock(return_value=False))
    with pytest.raises(Wait, match="sealflow doctor says how to get them"):
        await ActivityEnvironment().run(activities.c2, task())


@pytest.mark.parametrize("state", [OnChain.Pending, OnChain.Packed, OnChain.Landed])
async def test_no_second_proof_is_sent_after_a_reset(state: OnChain) -> None:
    """An earlier run has sent one, perhaps another: that one is waited for, and ours is sent only where it fails."""
    activities, manager = chain(poll_proof=Polled(state=state, desc=""))
    again = proved(reset=True)
    event = await ActivityEnvironment().run(activities.submit_proof, again)
    assert not event.proof_sent.is_certain
    manager.submit_proof.assert_not_called()
    manager.submit_proof.return_value = Submitted(res=SubmitRes.Accepted, desc="")
    sent = again.sector.model_copy(update={"proof_sent": event.proof_sent, "proof_failed": "out of gas"})
    await ActivityEnvironment().run(activities.submit_proof, again.model_copy(update={"sector": sent}))
    assert manager.submit_proof.await_args.kwargs == {"reset": True}


@pytest.mark.parametrize("state", [OnChain.NotFound, OnChain.Failed, OnChain.PermFailed, OnChain.ShouldAbort])
async def test_a_proof_is_sent_after_a_reset_where_none_is_on_chain(state: OnChain) -> None:
    """What failed, and what is not there, is no obstacle."""
    activities, manager = chain(
        poll_proof=Polled(state=state, desc=""), submit_proof=Submitted(res=SubmitRes.Accepted, desc="")
    )
    event = await ActivityEnvironment().run(activities.submit_proof, proved(reset=True))
    assert event.proof_sent.is_certain
    assert manager.submit_proof.await_count == 1


async def test_without_a_reset_nobody_is_asked_for_a_proof() -> None:
    """One call, as ever."""
    activities, manager = chain(submit_proof=Submitted(res=SubmitRes.Accepted, desc=""))
    await ActivityEnvironment().run(activities.submit_proof, proved(reset=False))
    manager.poll_proof.assert_not_called()


def proved(*, reset: bool) -> Task:
    """Return a task whose sector has a proof."""
    made = task()
    sector = made.sector.model_copy(update={"proof": "cHJvb2Y="})
    return made.model_copy(update={"sector": sector, "state": State.C2Done, "reset": reset})
