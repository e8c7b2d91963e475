"""When a message is first worth a look, learned from those that have landed."""

from __future__ import annotations

import itertools

import pytest

from sealing.manager.rhythm import ENOUGH, LOOKS_SAVED, REMEMBERED, Rhythm

EPOCH = 30.0


def learned(*took: float) -> Rhythm:
    """Return the rhythm after some landings."""
    rhythm = Rhythm()
    for each in took:
        rhythm.landed("proof", each, EPOCH)
    return rhythm


def seen(rhythm: Rhythm, lands: float) -> tuple[int, float]:
    """Look at one message as the steps do; return the number of looks, and how late its landing was seen."""
    at, looks = rhythm.first_look("proof", EPOCH), 1
    while at < lands:
        at, looks = at + EPOCH, looks + 1
    rhythm.landed("proof", at, EPOCH)
    return looks, at - lands


def test_at_first_it_is_looked_at_after_an_interval() -> None:
    """A few landings tell nothing, and those of another kind none; nor is there a look before, however quick."""
    assert learned(*[300.0] * (ENOUGH - 1)).first_look("proof", EPOCH) == EPOCH
    assert learned(*[300.0] * ENOUGH).first_look("pre-commit", EPOCH) == EPOCH
    assert learned(*[31.0] * ENOUGH).first_look("proof", EPOCH) == EPOCH


def test_the_quickest_of_late_counts() -> None:
    """One interval before it; what is longer ago is forgotten."""
    assert learned(400, 200, 300).first_look("proof", EPOCH) == 170
    assert learned(200, *[300.0] * REMEMBERED).first_look("proof", EPOCH) == 270


@pytest.mark.parametrize("lands", [20.0, 75.0, 145.0, 310.0])
def test_a_steady_chain_is_asked_twice_and_seen_within_an_epoch(lands: float) -> None:
    """Twenty messages alike: of the later ones each takes two looks or three, and none is seen later than an epoch."""
    rhythm = Rhythm()
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
