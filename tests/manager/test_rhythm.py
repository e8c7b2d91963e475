"""When a message is first worth a look, learned from those that have landed."""

from __future__ import annotations

import itertools

import pytest

from sealing.manager import rhythm as manager_rhythm
from sealing.manager.rhythm import ENOUGH, LOOKS_SAVED, REMEMBERED, Message, Rhythm

EPOCH = 30.0
_names = itertools.count()


def landed(rhythm: Rhythm, *looks: float) -> None:
    """Look at one message at these ages; by the last it has landed."""
    *before, last = looks
    which = next(_names)
    for age in before:
        rhythm.waits(which, age)
    rhythm.landed(Message.PROOF, which, last, EPOCH)


def unheld() -> Rhythm:
    """Return the rhythm of a manager that holds no question."""
    rhythm = Rhythm()
    rhythm.is_held = False
    return rhythm


def learned(*took: float) -> Rhythm:
    """Return the rhythm after some landings, each looked at an epoch before as well."""
    rhythm = unheld()
    for each in took:
        landed(rhythm, each - EPOCH, each)
    return rhythm


def first(rhythm: Rhythm) -> float:
    """Return when a proof is first looked at."""
    return rhythm.first_look(Message.PROOF, EPOCH)


def seen(rhythm: Rhythm, lands: float) -> tuple[int, float]:
    """Look at one message as the steps do; return the number of looks, and how late its landing was seen."""
    looks = [first(rhythm)]
    while looks[-1] < lands:
        looks.append(looks[-1] + EPOCH)
    landed(rhythm, *looks)
    return len(looks), looks[-1] - lands


def test_at_first_it_is_looked_at_after_an_interval() -> None:
    """A few landings tell nothing, and those of another kind none; nor is there a look before, however quick."""
    assert first(learned(*[300.0] * (ENOUGH - 1))) == EPOCH
    assert learned(*[300.0] * ENOUGH).first_look(Message.PRECOMMIT, EPOCH) == EPOCH
    assert first(learned(*[31.0] * ENOUGH)) == EPOCH


def test_the_quickest_of_late_counts() -> None:
    """When that was last seen waiting; what is longer ago is forgotten."""
    assert first(learned(400, 200, 300)) == 170
    assert first(learned(200, *[300.0] * REMEMBERED)) == 270


@pytest.mark.parametrize("lands", [20.0, 75.0, 145.0, 310.0])
def test_a_steady_chain_is_asked_twice_and_seen_within_an_epoch(lands: float) -> None:
    """Twenty messages alike: of the later ones each takes two looks or three, and none is seen later than an epoch."""
    rhythm = unheld()
    looks = [seen(rhythm, lands) for _ in range(20)]
    assert all(late <= EPOCH for _, late in looks)
    assert max(count for count, _ in looks[ENOUGH:]) <= 3


def test_a_chain_that_becomes_quicker_is_followed() -> None:
    """Blocks were full, and are no more: the first message is seen too late, by what was saved; the fifth is not."""
    rhythm = learned(*[900.0] * REMEMBERED)
    late = [seen(rhythm, 40.0)[1] for _ in range(6)]
    assert late[0] <= LOOKS_SAVED * EPOCH
    assert all(after <= before for before, after in itertools.pairwise(late))
    assert max(late[4:]) <= EPOCH


@pytest.mark.parametrize("looks", [(9000.0,), (60.0, 9000.0), (60.0, 90.0, 9000.0)], ids=["never", "once", "twice"])
def test_nothing_is_learned_from_an_outage(looks: tuple[float, ...]) -> None:
    """Who was away does not know when a message landed, however often it was looked at before: it is as it was."""
    fresh, knowing = unheld(), learned(*[100.0] * ENOUGH)
    for _ in range(REMEMBERED):
        landed(fresh, *looks)
        landed(knowing, *looks)
    assert (first(fresh), first(knowing)) == (EPOCH, 70)


def test_looks_somewhat_late_are_in_time() -> None:
    """A busy machine looks later than it wanted to: what is learned is when the message was last seen waiting."""
    rhythm = unheld()
    for _ in range(ENOUGH):
        landed(rhythm, 70.0, 125.0)
    assert first(rhythm) == 70


def test_messages_that_are_not_heard_of_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were looked at last are kept: of a forgotten one it is not known when it was looked at."""
    monkeypatch.setattr(manager_rhythm, "WAITED_FOR", 2)
    rhythm = unheld()
    for which, age in (("a", 60.0), ("b", 60.0), ("a", 90.0), ("c", 60.0)):
        rhythm.waits(which, age)
    for which in "bac":
        rhythm.landed(Message.PROOF, which, 100.0, EPOCH)
    assert first(rhythm) == EPOCH
    landed(rhythm, 90.0, 100.0)
    assert first(rhythm) == 60
