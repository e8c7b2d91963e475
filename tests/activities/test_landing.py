"""The steps that wait for the chain: when they look, and what comes of what they see."""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from temporalio.testing import ActivityEnvironment

from activities.chain import HOLD, ChainActivities
from sealing.failures import Abort, Permanent, Temporary, Wait
from sealing.flow.events import AssignSeed, CheckPC, Finish, ReSubmitPC
from sealing.manager.client import SeedAnswer, Watched
from sealing.manager.wire import OnChain, Polled
from sealing.values import Seed
from tests.activities.test_chain import chain, task
from workflows.calls import QUICK_TIMEOUT


def stands(state: OnChain, desc: str = "", *, held: bool = False, in_full: bool = False) -> Watched:
    """Return the answer about a message that is waited for."""
    return Watched(polled=Polled(state=state, desc=desc), held=held, in_full=in_full)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (OnChain.Landed, CheckPC),
        (OnChain.Failed, ReSubmitPC),
        (OnChain.Pending, Wait),
        (OnChain.Packed, Wait),
        (OnChain.NotFound, Permanent),
        (OnChain.PermFailed, Permanent),
        (OnChain.ShouldAbort, Abort),
    ],
)
async def test_each_state_on_chain_has_its_consequence(state: OnChain, outcome: type) -> None:
    """Landed goes on, Failed is sent again, Pending and Packed wait, the rest fails by its level."""
    activities, _ = chain(watch_precommit=stands(state, "because"))
    if issubclass(outcome, Exception):
        with pytest.raises(outcome, match=f"the pre-commit is {state.name}: because"):
            await ActivityEnvironment().run(activities.check_precommit, task())
    else:
        assert isinstance(await ActivityEnvironment().run(activities.check_precommit, task()), outcome)


@pytest.mark.parametrize(
    ("says", "waits"),
    [(4680, 3600), (1080, 1080), (2, 2), (0, 0.05)],
    ids=["trusted no longer", "as it says", "a moment", "none"],
)
async def test_the_seed_is_asked_for_when_it_may_be_there(says: int, waits: float) -> None:
    """The manager says how long it takes: before, the question would be in vain."""
    activities, _ = chain(wait_seed=SeedAnswer(should_wait=True, delay=says, seed=None))
    with pytest.raises(Wait, match=rf"the seed comes in {says} s") as wait:
        await ActivityEnvironment().run(activities.wait_seed, task())
    assert wait.value.delay == waits


async def test_a_seed_goes_on_and_nothing_is_temporary() -> None:
    """Neither seed nor delay is what a manager should not answer."""
    activities, _ = chain(wait_seed=SeedAnswer(should_wait=False, delay=0, seed=None))
    with pytest.raises(Temporary):
        await ActivityEnvironment().run(activities.wait_seed, task())
    seed = Seed(seed="7" * 64, epoch=20)
    activities, _ = chain(wait_seed=SeedAnswer(should_wait=False, delay=0, seed=seed))
    assert await ActivityEnvironment().run(activities.wait_seed, task()) == AssignSeed(seed=seed)


async def looked_at(activities: ChainActivities, ago: float, patch: pytest.MonkeyPatch) -> float | None:
    """Look at a pre-commit so long after it was sent; return the seconds until the next look, None if it landed."""
    sent_at = 1_700_000_000.0
    patch.setattr("activities.chain.time", SimpleNamespace(time=lambda: sent_at + ago))
    try:
        await ActivityEnvironment().run(activities.check_precommit, task(sent="6" * 64, sent_at=sent_at))
    except Wait as wait:
        return wait.delay
    return None


async def test_nobody_is_asked_before_a_message_can_have_landed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of late took 150 s and more: one that was sent 10 s ago is first looked at an interval before that."""
    activities, manager = chain()
    for took in (150.0, 170.0, 160.0):
        manager.watch_precommit.return_value = stands(OnChain.Packed)
        assert await looked_at(activities, took - 30, monkeypatch) == 30
        manager.watch_precommit.return_value = stands(OnChain.Landed)
        assert await looked_at(activities, took, monkeypatch) is None
    manager.watch_precommit.reset_mock()
    assert await looked_at(activities, 10, monkeypatch) == pytest.approx(110)
    manager.watch_precommit.assert_not_awaited()
    manager.watch_precommit.return_value = stands(OnChain.Pending)
    assert await looked_at(activities, 121, monkeypatch) == 30
    manager.watch_precommit.assert_awaited_once()


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (stands(OnChain.Packed, held=True, in_full=True), 0.05),
        (stands(OnChain.Packed, held=True), 30),
        (stands(OnChain.Packed), 30),
    ],
    ids=["held in full", "held and let go of", "not held"],
)
async def test_who_has_held_the_question_in_full_is_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch, answer: Watched, waits: float
) -> None:
    """Anybody else after an interval: what has come sooner, and tells nothing new, would come sooner again."""
    activities, _ = chain(watch_precommit=answer)
    assert await looked_at(activities, 100, monkeypatch) == waits


async def test_it_is_asked_at_once_where_the_question_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """And once to know whether it is; what is learned from landings is how late others saw them, and not that."""
    activities, manager = chain(watch_precommit=stands(OnChain.Landed, held=True))
    activities.rhythm.is_held = None
    activities.rhythm.landed = lambda *_: pytest.fail("learned")  # type: ignore[method-assign]
    for _ in range(2):
        assert await looked_at(activities, 0, monkeypatch) is None
    assert [call.args[1] for call in manager.watch_precommit.await_args_list] == [HOLD, HOLD]
    manager.watch_precommit.return_value = stands(OnChain.Pending)
    assert await looked_at(activities, 0, monkeypatch) == 30
    assert await looked_at(activities, 10, monkeypatch) == pytest.approx(20)
    assert manager.watch_precommit.await_count == 3


def test_an_attempt_has_time_for_a_hold() -> None:
    """The call's own limit is beside the seconds for which it is held."""
    assert timedelta(seconds=30 + HOLD) < QUICK_TIMEOUT


async def test_what_landed_during_an_outage_does_not_delay_the_next_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager or the worker was away for hours: when the messages landed meanwhile nobody knows."""
    activities, manager = chain(watch_precommit=stands(OnChain.Landed))
    for _ in range(5):
        assert await looked_at(activities, 7200, monkeypatch) is None
    manager.watch_precommit.return_value = stands(OnChain.Pending)
    assert await looked_at(activities, 10, monkeypatch) == pytest.approx(20)
    assert await looked_at(activities, 31, monkeypatch) == 30


@pytest.mark.parametrize("at", [0.0, time.time() + 7200], ids=["not known", "ahead of this clock"])
async def test_where_it_is_not_known_when_it_was_sent_it_is_looked_at(at: float) -> None:
    """Nothing is learned from it either."""
    activities, manager = chain(watch_precommit=stands(OnChain.Landed))
    activities.rhythm.first_look = lambda *_: 300.0  # type: ignore[method-assign]
    activities.rhythm.landed = lambda *_: pytest.fail("learned")  # type: ignore[method-assign]
    given = task(sent="6" * 64, sent_at=at)
    assert isinstance(await ActivityEnvironment().run(activities.check_precommit, given), CheckPC)
    manager.watch_precommit.assert_awaited_once()


async def test_the_proofs_check_can_be_skipped() -> None:
    """With ignore_proof_check nobody is asked."""
    activities, manager = chain()
    event = await ActivityEnvironment().run(activities.check_proof, task(ignore_proof_check=True))
    assert event == Finish(proof_outcome="unchecked")
    manager.watch_proof.assert_not_awaited()
