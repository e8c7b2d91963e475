"""Which store a sector goes to: one with room, the one where its copy has begun first, else drawn by room."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.stores import space
from sealing.stores.attached import Transfer, transfer_of
from sealing.stores.choice import Candidate, Draw, candidate, in_words, offers
from sealing.stores.layout import P_AUX, T_AUX, SectorFiles, part_of, tree_r_last_names

ROOM = st.integers(0, 40)
STORES = st.dictionaries(st.sampled_from("abcdef"), st.tuples(ROOM, st.none() | ROOM), max_size=6).map(
    lambda found: [Candidate(name, room, missing) for name, (room, missing) in found.items()]
)


def always(number: int) -> Draw:
    """Return a draw that gives a number, if there are so many."""
    return lambda total: number % total


@given(STORES, ROOM, st.none() | st.integers(0, 1000))
def test_every_store_with_room_is_offered_once(stores: list[Candidate], needed: int, drawn: int | None) -> None:
    """And none without; where a copy has begun comes before all others, the most complete first."""
    draw = None if drawn is None else always(drawn)
    found = offers(stores, needed, draw)
    assert all(found)
    named = [name for names in found for name in names]
    assert sorted(named) == sorted(store.name for store in stores if store.fits(needed))
    begun = {store.name: store.missing for store in stores if store.fits(needed) and store.missing is not None}
    assert all(len(names) == 1 for names in found[: len(begun)])
    order = [begun.get(name) for names in found[: len(begun)] for name in names]
    assert order == sorted(begun.values())
    if begun:
        assert found == offers(stores, needed, None), "a retry is not drawn anew"
    elif draw is None:
        assert len(found) <= 1, "the manager chooses among all"


@given(STORES.map(lambda stores: [Candidate(store.name, store.room) for store in stores]), st.integers(1, 40))
def test_drawn_by_room(stores: list[Candidate], needed: int) -> None:
    """Over all numbers that can be drawn each store comes first as often as it has bytes; the rest falls to all."""
    fitting = {store.name: store.room for store in stores if store.fits(needed)}
    total = sum(fitting.values())
    first = Counter(offers(stores, needed, always(at))[0] for at in range(total))
    assert first == {(name,): room for name, room in fitting.items()}
    for at in range(total):
        (chosen,), *rest = offers(stores, needed, always(at))
        assert rest == ([tuple(sorted(set(fitting) - {chosen}))] if len(fitting) > 1 else [])


@pytest.fixture
def transfer(tmp_path: Path) -> Transfer:
    """Give the transfer of a sector of 2048 + 10 + 5 + 20 bytes into an empty store."""
    files = SectorFiles(tmp_path / "data", "s-t01000-5")
    sizes = {files.sealed: 2048, **{files.cache / name: size for name, size in ((P_AUX, 10), (T_AUX, 5))}}
    for path, size in {**sizes, files.cache / tree_r_last_names(2048)[0]: 20}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (tmp_path / "store").mkdir()
    return transfer_of(files, tmp_path / "store", 2048)


def test_a_store_as_it_is(transfer: Transfer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other copies will write is taken off; what of the sector is there, whole or in part, is not missing."""
    monkeypatch.setattr(space, "free", lambda _: 5000)
    assert candidate("a", transfer, 4096, 1000) == Candidate("a", 4000)
    assert candidate("a", transfer, 4096, 9000) == Candidate("a", 0)
    sealed, p_aux = (target for _, target in transfer.pairs[:2])
    for path in (sealed, p_aux):
        path.parent.mkdir(parents=True)
    part_of(sealed).write_bytes(bytes(48))
    assert candidate("a", transfer, 4096, 0) == Candidate("a", 5000, missing=2035)
    part_of(sealed).rename(sealed)
    sealed.write_bytes(bytes(2048))
    assert candidate("a", transfer, 4096, 0) == Candidate("a", 5000, missing=35)
    for source, target in transfer.pairs:
        target.write_bytes(source.read_bytes())
    monkeypatch.setattr(space, "free", lambda _: 0)
    assert candidate("a", transfer, 4096, 0).fits(4096), "all of it is there"


def test_a_file_system_that_tells_no_room(transfer: Transfer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes into question: the manager alone knows."""
    monkeypatch.setattr(space, "free", lambda _: None)
    assert candidate("a", transfer, 4096, 0).fits(4096)


def test_what_an_operator_reads() -> None:
    """Each store with its room, or with why it is not there."""
    assert in_words([Candidate("b", 2048)], {"a": "/a is not there"}) == "a: /a is not there, b has 2.0 KiB left"
    assert in_words([], {}) == "no store that takes new files is attached"
