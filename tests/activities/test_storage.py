"""Persisting: through the manager's reservation, into a store that is there and has room; what waits, and for what."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from activities.stages import Stages
from activities.step import Spent, _spent
from activities.storage import StorageActivities
from sealing.failures import Permanent, Wait
from sealing.flow.events import Persist
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.manager.wire import StoreInfo
from sealing.processors.admission import Admission, Limits
from sealing.sector import Home, Sector, SectorInput, Settings, Task
from sealing.stores import attached, durable, space
from sealing.stores.attached import Transfer
from sealing.stores.claim import Claim, read_claim, write_claim
from sealing.stores.layout import SectorFiles, part_of, persisted
from sealing.stores.mounts import Mounts
from sealing.values import SectorId

SIZE, NEEDED = 2048, 4096


class Place:
    """A machine with a sealed sector and stores; ``room`` is what is free on each store's disk, in bytes."""

    def __init__(self, folder: Path) -> None:
        """Make a sector, and three stores with much room."""
        self.sector = Sector(
            home=Home(worker="w", location=str(folder / "thread")), id=SectorId(miner=1000, number=5), proof_type=5
        )
        self.stores = {name: folder / name for name in "abc"}
        self.room = dict.fromkeys(self.stores, 100 * NEEDED)
        for source, _ in persisted(self.sector.files, self.sector.files, SIZE):
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(os.urandom(SIZE))
        for store in self.stores.values():
            store.mkdir()
        self.manager = AsyncMock(spec=Manager)
        self.manager.reserve_space.side_effect = self._first
        locations = [Path(self.sector.home.location), *self.stores.values()]
        stages = Stages(lambda _: None, Admission(Limits()), mounts=Mounts.remember(locations))  # type: ignore[arg-type,return-value]
        self.storage = StorageActivities(self.manager, stages, self.stores)

    async def _first(self, _: SectorId, __: int, names: list[str]) -> StoreInfo:
        return StoreInfo(name=names[0], path="/elsewhere")

    def free(self, path: Path) -> int:
        """Stand in for the disk's own word."""
        return self.room[path.name]

    async def persist(self) -> Persist:
        """Run the step."""
        task = Task(sector=self.sector, settings=Settings(), state=State.PCLanded)
        token = _spent.set(Spent())
        try:
            return await self.storage.persist(task)
        finally:
            _spent.reset(token)

    @property
    def offered(self) -> list[list[str]]:
        """What the manager was offered, call by call."""
        return [call.args[2] for call in self.manager.reserve_space.await_args_list]

    def stored(self, name: str) -> SectorFiles:
        """Return the sector's files in a store."""
        return SectorFiles.stored(self.stores[name], self.sector.id)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a machine on which nothing can be linked into a store."""
    found = Place(tmp_path)
    monkeypatch.setattr(space, "free", found.free)
    monkeypatch.setattr(durable, "hard_link", lambda *_: False)
    yield found
    assert found.storage._under_way == []


async def test_only_stores_with_room_are_offered(place: Place) -> None:
    """The manager chooses among them."""
    place.room["a"] = NEEDED - 1
    assert await place.persist() == Persist(persisted_in="b")
    assert place.offered == [["b", "c"]]
    assert place.stored("b").sealed.read_bytes() == place.sector.files.sealed.read_bytes()


async def test_no_store_with_room_is_a_wait(place: Place) -> None:
    """Which says how much each has, and asks nobody; so is a manager that keeps no room."""
    place.room.update(a=1024, b=0, c=10)
    with pytest.raises(Wait) as waits:
        await place.persist()
    assert str(waits.value) == (
        "no store has room for s-t01000-5, 4.0 KiB: a has 1.0 KiB left, b has 0 B left, c has 10 B left; "
        "waiting for space: make room, or add a store"
    )
    assert place.offered == []
    place.room.update(a=NEEDED)
    place.manager.reserve_space.side_effect = None
    place.manager.reserve_space.return_value = None
    with pytest.raises(Wait, match=r"the manager keeps no room in a store for .*; waiting for space"):
        await place.persist()


async def test_what_other_copies_will_write_is_no_room(place: Place) -> None:
    """All stores of the test are on one disk, which has room for one more beside the copy that is under way."""
    place.room.update(a=NEEDED, b=NEEDED, c=NEEDED)
    disk = place.stores["a"].stat().st_dev
    under_way = [Transfer([], place.stores["a"], disk, total=10, done=9), Transfer([], place.stores["a"], -1, total=99)]
    place.storage._under_way.extend(under_way)
    with pytest.raises(Wait, match="no store has room"):
        await place.persist()
    under_way[0].done = 10
    assert await place.persist() == Persist(persisted_in="a")
    del place.storage._under_way[:]


async def test_a_store_that_is_gone_is_left_out_and_named(place: Place) -> None:
    """The others take the sector; where there is none, the wait says which is gone."""
    durable.remove(place.stores["a"])
    assert (await place.persist()).persisted_in == "b"
    for name in "bc":
        durable.remove(place.stores[name])
    with pytest.raises(Wait, match=f"a: {place.stores['a']} is not there: mount its disk.*, b: .*, c: "):
        await place.persist()


async def test_weighted_by_room(place: Place) -> None:
    """One is drawn and offered first; the rest follows where the manager has no room there."""
    place.room.update(a=5000, b=6000, c=7000)
    place.storage = StorageActivities(place.manager, place.storage.stages, place.stores, lambda total: total - 7001)

    async def but_not_b(_: SectorId, __: int, names: list[str]) -> StoreInfo | None:
        return None if "b" in names else StoreInfo(name=names[-1], path="/elsewhere")

    place.manager.reserve_space.side_effect = but_not_b
    assert (await place.persist()).persisted_in == "c"
    assert place.offered == [["b"], ["a", "c"]]


async def test_a_retry_goes_on_where_the_copy_has_begun(place: Place) -> None:
    """However the store is drawn, and whatever room it has now; what other stores have unfinished goes."""
    place.storage = StorageActivities(place.manager, place.storage.stages, place.stores, lambda _: 0)
    begun, left = place.stored("c"), place.stored("a")
    begun.sealed.parent.mkdir()
    begun.sealed.write_bytes(place.sector.files.sealed.read_bytes())
    for path in (part_of(left.update), part_of(begun.update)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
    place.room["c"] = 3 * SIZE
    assert (await place.persist()).persisted_in == "c"
    assert place.offered == [["c"]]
    assert not part_of(left.update).exists()
    assert not part_of(begun.update).exists()


async def test_a_store_that_was_not_offered_is_not_used(place: Place) -> None:
    """Permanent: manager and worker do not agree about the stores."""
    place.manager.reserve_space.side_effect = None
    place.manager.reserve_space.return_value = StoreInfo(name="d", path="/d")
    with pytest.raises(Permanent, match="the manager chose store d, which was not offered: a, b, c"):
        await place.persist()


async def test_a_location_that_is_gone_is_waited_for(place: Place) -> None:
    """Its files are not missing: they are on a disk that is not there."""
    durable.remove(Path(place.sector.home.location))
    with pytest.raises(Wait, match=r"thread is not there: mount its disk"):
        await place.persist()


async def test_unfinished_copies_go_with_the_sector(place: Place) -> None:
    """An abort while it is stored leaves nothing in a store that no sector has."""
    part = part_of(place.stored("b").sealed)
    part.parent.mkdir()
    part.write_bytes(b"half")
    await place.storage.clean_up(Task(sector=place.sector, settings=Settings(), state=State.PCLanded))
    assert not part.exists()
    assert not place.sector.files.sealed.exists()


def claimed(sector: Sector, trace: str) -> Claim:
    """Claim the sector's location for a task of it."""
    sector = sector.model_copy(update={"trace": trace})
    task = SectorInput(flow="snapup", flow_version=1, state=State.Allocated, sector=sector, settings=Settings())
    claim = Claim(task=task)
    write_claim(sector.home.location, claim)
    return claim


async def test_a_task_clears_away_nothing_of_a_later_one_of_its_sector(place: Place) -> None:
    """The location is another task's by now, and so are the files."""
    claim = claimed(place.sector, "later")
    await place.storage.clean_up(Task(sector=place.sector, settings=Settings(), state=State.Aborted))
    assert place.sector.files.sealed.exists()
    assert read_claim(place.sector.home.location) == claim


async def test_clearing_away_that_nobody_waits_for_ends_with_the_next_that_does_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An abort was not waited for; its thread has cleared up after it, and was given the same sector again."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slowly(*_: object) -> None:
        begun.set()
        await goes_on.wait()

    monkeypatch.setattr(attached, "remove_parts", slowly)
    before = claimed(place.sector, "before").task.sector
    late = asyncio.create_task(
        place.storage.clean_up(Task(sector=before, settings=Settings(), state=State.Aborted)), name="late"
    )
    await begun.wait()
    await place.storage.stop(before)
    claim = claimed(place.sector, "later")
    goes_on.set()
    await asyncio.wait({late})
    assert late.cancelled()
    assert place.sector.files.sealed.exists()
    assert read_claim(place.sector.home.location) == claim
