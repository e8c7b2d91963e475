"""Each method over real HTTP, from the client to the embedded manager."""

from __future__ import annotations

import httpx
import pytest

from sealing.devnet.queries import Observer, order_end
from sealing.failures import Abort, Failure, Level, Permanent, Temporary
from sealing.manager.client import StateReport
from sealing.manager.wire import OnChain, PingSummary, SubmitRes, WorkerPing
from sealing.values import SectorId
from tests.devnet.world import World, config_for, proof_for, running

NOWHERE = SectorId(miner=2**64 - 1, number=2**64 - 1)
REPORT = StateReport(worker="w", location="/l", prev="Allocated", next="DealsAcquired", event="AcquireDeals")


async def test_a_sector_goes_from_allocation_to_its_end(world: World) -> None:
    """The calls of a whole task, in their order, with the chain's waits between them."""
    manager, config = world.manager, world.server.config
    sector = await world.allocated()
    assert sector == SectorId(miner=1000, number=1)
    assert await manager.acquire_deals(sector, 10, None) == ()
    ticket = await manager.assign_ticket(sector)
    assert (await world.precommit(sector, ticket)).res is SubmitRes.Accepted
    assert (await manager.poll_precommit(sector)).state is OnChain.Pending
    world.pass_epochs(config.packed_after)
    assert (await manager.poll_precommit(sector)).state is OnChain.Packed
    before = await manager.wait_seed(sector, 5)
    assert (before.should_wait, before.seed) == (False, None)
    world.pass_epochs(config.landed_after - config.packed_after)
    assert (await manager.poll_precommit(sector)).state is OnChain.Landed
    waiting = await manager.wait_seed(sector, 5)
    assert (waiting.should_wait, waiting.seed, waiting.delay) == (True, None, 150 * 30)
    world.clock.now += waiting.delay
    seed = (await manager.wait_seed(sector, 5)).seed
    assert seed is not None
    assert (await manager.submit_proof(sector, proof_for(sector, ticket, seed), reset=False)).res is SubmitRes.Accepted
    assert (await manager.poll_proof(sector)).state is OnChain.Pending
    world.pass_epochs(config.landed_after)
    assert (await manager.poll_proof(sector)).state is OnChain.Landed
    assert not (await manager.report_state(sector, REPORT)).finalized
    await manager.report_finalized(sector)
    timeline = Observer(config.data, world.clock).timeline(sector)
    assert timeline.proof_verified is True
    assert timeline.precommit_landed_at is not None
    assert timeline.seed_at is not None
    assert timeline.proof_landed_at is not None
    assert timeline.seed_at - timeline.precommit_landed_at == 150 * 30


async def test_a_repeated_allocation_gives_the_same_sector(world: World) -> None:
    """A key makes a repeated call, as after a lost answer, harmless; without a key each call takes a new number."""
    first = await world.manager.allocate_sector([], [], request="thread-1 run 7")
    again = await world.manager.allocate_sector([], [], request="thread-1 run 7")
    other = await world.manager.allocate_sector([], [], request="thread-1 run 8")
    assert first is not None
    assert other is not None
    assert again == first
    assert [other.id.number, (await world.allocated()).number] == [2, 3]


async def test_sectors_are_handed_out_as_asked_and_as_configured(world: World) -> None:
    """Another miner or proof type gets nothing; lists that hold ours get a sector."""
    assert await world.manager.allocate_sector([7], []) is None
    assert await world.manager.allocate_sector([], [8]) is None
    assert await world.manager.allocate_sector([7, 1000], [8, 5]) is not None
    data = world.server.config.data.parent / "two"
    async with running(config_for(data, proof_types=[5, 10], max_sectors=3)) as two:
        given = [await two.manager.allocate_sector([], []) for _ in range(4)]
    assert [sector and sector.proof_type for sector in given] == [5, 10, 5, None]


async def test_a_sector_that_is_not_the_managers_is_aborted(world: World) -> None:
    """Every call about an unknown sector is answered by 11001, which aborts the task."""
    manager = world.manager
    ticket = await manager.assign_ticket(await world.allocated())
    for call in (
        manager.acquire_deals(NOWHERE, None, None),
        manager.assign_ticket(NOWHERE),
        world.precommit(NOWHERE, ticket),
        manager.poll_precommit(NOWHERE),
        manager.submit_persisted(NOWHERE, "store", is_upgrade=False),
        manager.wait_seed(NOWHERE, 5),
        manager.submit_proof(NOWHERE, "AAAA", reset=False),
        manager.poll_proof(NOWHERE),
        manager.report_state(NOWHERE, REPORT),
        manager.report_finalized(NOWHERE),
        manager.report_aborted(NOWHERE, "x"),
        manager.reserve_space(NOWHERE, 1, []),
    ):
        with pytest.raises(Abort, match="11001"):
            await call


async def test_nothing_sent_is_not_found(world: World) -> None:
    """A poll before anything was sent says NotFound."""
    sector = await world.allocated()
    assert (await world.manager.poll_precommit(sector)).state is OnChain.NotFound
    assert (await world.manager.poll_proof(sector)).state is OnChain.NotFound


async def test_reports_are_kept(world: World) -> None:
    """The current state, its worker and what holds it up are kept, and the history of reports."""
    sector = await world.allocated()
    await world.manager.report_state(sector, REPORT)
    held = Failure(level=Level.Temporary, text="disk full")
    await world.manager.report_state(sector, REPORT.model_copy(update={"failure": held}))
    observer = Observer(world.server.config.data, world.clock)
    (record,) = observer.sectors()
    assert (record.state, record.worker, record.location, record.failure) == ("DealsAcquired", "w", "/l", held)
    assert [(found.event, found.failure) for found in observer.reports(sector)] == [
        ("AcquireDeals", None),
        ("AcquireDeals", held),
    ]


async def test_a_task_that_the_manager_ends_is_told_so(world: World) -> None:
    """Once a task is ended from the manager's side, its reports are answered so, and its other calls by 11001."""
    sector = await world.allocated()
    order_end(world.server.config.data, sector, "not needed")
    answer = await world.manager.report_state(sector, REPORT)
    assert (answer.finalized, answer.reason) == (True, "not needed")
    with pytest.raises(Abort):
        await world.manager.assign_ticket(sector)
    await world.manager.report_aborted(sector, "the manager ended it")
    with pytest.raises(KeyError):
        order_end(world.server.config.data, NOWHERE, "x")


async def test_an_end_may_be_said_twice_but_not_otherwise(world: World) -> None:
    """A lost answer makes a worker say it again; one that has ended the other way is no longer known, as ever after."""
    finished, aborted = await world.allocated(), await world.allocated()
    for _ in range(2):
        await world.manager.report_finalized(finished)
        await world.manager.report_aborted(aborted, "gave up")
    with pytest.raises(Abort):
        await world.manager.report_aborted(finished, "x")
    with pytest.raises(Abort):
        await world.manager.report_finalized(aborted)
    with pytest.raises(Abort):
        await world.manager.assign_ticket(finished)
    answer = await world.manager.report_state(aborted, REPORT)
    assert (answer.finalized, answer.reason) == (True, "gave up")
    ends = [(record.ended, record.end_reason) for record in Observer(world.server.config.data).sectors()]
    assert ends == [("finalized", ""), ("aborted", "gave up")]


async def test_a_report_that_was_long_on_its_way_changes_no_end(world: World) -> None:
    """It is kept with the others, and the sector stays where it came to its end."""
    sector = await world.allocated()
    await world.manager.report_state(sector, REPORT.model_copy(update={"prev": "ProofSubmitted", "next": "Finished"}))
    await world.manager.report_finalized(sector)
    assert (await world.manager.report_state(sector, REPORT)).finalized
    observer = Observer(world.server.config.data)
    assert [record.state for record in observer.sectors()] == ["Finished"]
    assert [found.next for found in observer.reports(sector)] == ["Finished", "DealsAcquired"]


async def test_the_wrong_proof_type_is_said(world: World) -> None:
    """A call with another proof type than the sector's is an error that names both."""
    sector = await world.allocated()
    with pytest.raises(Temporary, match="proof type 5, not 8"):
        await world.manager.wait_seed(sector, 8)


async def test_signs_of_life_are_taken(world: World) -> None:
    """A worker's last ping is kept, with its time."""
    ping = WorkerPing(name="w", dest="127.0.0.1:17890", version="1", summary=PingSummary(threads=2, running=1))
    await world.manager.ping(ping)
    world.clock.now += 30
    await world.manager.ping(ping)
    (record,) = Observer(world.server.config.data).workers()
    assert (record.at, record.ping) == (world.clock.now, ping)


async def test_beyond_the_token_nobody_gets(world: World) -> None:
    """With a token configured, a call without it or with another is refused."""
    async with running(config_for(world.server.config.data.parent / "t", token="right")) as guarded:  # noqa: S106
        await guarded.allocated()
        async with httpx.AsyncClient() as http:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "right"}):
                answer = await http.post(f"{guarded.server.address}/rpc/v0", content=b"{}", headers=headers)
                assert answer.status_code == 401


async def test_a_key_that_is_too_long_is_refused(world: World) -> None:
    """An idempotency key has a limit, which the error says."""
    with pytest.raises(Permanent, match="1 to 200 characters"):
        await world.manager.allocate_sector([], [], request="x" * 201)
