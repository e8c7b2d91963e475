"""Snap-ups: which sectors are handed out, and what the chain takes of an upgrade."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sealing.devnet.pool import Kind
from sealing.devnet.queries import order_end
from sealing.failures import Abort, Temporary
from sealing.manager.client import StateReport
from sealing.manager.wire import OnChain, SubmitRes
from sealing.processors.simulated_proof import simulated_snap_proof
from sealing.values import Deal, SectorId, Upgrade
from tests.devnet.market import (
    NEW_COMM_R,
    Content,
    comm_d,
    deal,
    deals,
    finished,
    observer,
    persist_upgrade,
    prove,
    states,
    upgrading,
)
from tests.devnet.test_submissions import Lenient
from tests.devnet.world import COMM_D, COMM_R, World, config_for, running

REPORT = StateReport(worker="w", location="/l", prev="Empty", next="Allocated", event="AllocatedSnapUpSector")


async def test_a_finished_sector_without_deals_is_handed_out_with_deals(world: World) -> None:
    """The answer names sector, pieces, the old replica's comm_r and the store that holds it."""
    sector = await finished(world)
    deals(world, 100)
    given = await world.manager.allocate_snapup([], [], None, None)
    assert given is not None
    assert (given.id, given.proof_type) == (sector, 5)
    assert given.upgrade == Upgrade(comm_r=COMM_R, access_instance="store")
    assert [(piece.size, piece.deal_id) for piece in given.deals] == [(128, 1), (128, 0), (256, 0), (512, 0), (1024, 0)]
    assert states(world) == [("given", str(sector))]
    assert await world.manager.allocate_snapup([], [], None, None) is None


async def test_nothing_is_handed_out_without_deals_or_without_a_sector(world: World) -> None:
    """An unfinished, an aborted and a sector that holds deals are none to upgrade; nor is one without enough deals."""
    sealing, aborted = await world.allocated(), await world.allocated()
    await world.manager.report_aborted(aborted, "gave up")
    assert await prove(world, sealing) is SubmitRes.Accepted
    deals(world, 100)
    assert await world.manager.allocate_snapup([], [], None, None) is None
    full = await world.allocated()
    await finished(world, comm_d(await world.manager.acquire_deals(full, None, None)), full)
    assert await world.manager.allocate_snapup([], [], None, None) is None
    await finished(world)
    assert await world.manager.allocate_snapup([], [], None, None) is None
    deals(world, 100)
    assert await world.manager.allocate_snapup([], [], None, 256) is None
    assert await world.manager.allocate_snapup([], [], 0, None) is None
    assert await world.manager.allocate_snapup([1001], [], None, None) is None
    assert await world.manager.allocate_snapup([], [8], None, None) is None
    assert await world.manager.allocate_snapup([1000], [8, 5], 1, 128) is not None


async def test_a_proof_that_has_not_landed_is_waited_for(world: World) -> None:
    """A sector that was finished without looking whether its proof landed is handed out once it has."""
    deals(world, 100)
    await finished(world)
    world.clock.now -= world.server.config.landed_after * world.server.config.epoch_seconds
    assert await world.manager.allocate_snapup([], [], None, None) is None
    world.pass_epochs(world.server.config.landed_after)
    assert await world.manager.allocate_snapup([], [], None, None) is not None


async def test_the_same_request_gives_the_same_upgrade(world: World) -> None:
    """A lost answer takes neither a second sector nor more deals; after an abort the key begins anew."""
    await finished(world)
    await finished(world)
    deals(world, 2000, 2000)
    first = await world.manager.allocate_snapup([], [], None, None, request="key")
    assert first is not None
    assert await world.manager.allocate_snapup([], [], 0, None, request="key") == first
    other = await world.manager.allocate_snapup([], [], None, None, request="other")
    assert other is not None
    assert other.id != first.id
    await world.manager.report_aborted(first.id, "gave up")
    assert await world.manager.allocate_snapup([], [], None, None, request="key") == first
    assert [record.ended for record in observer(world).upgrades()] == ["aborted", None, None]


async def test_no_sector_and_no_deal_is_handed_out_twice(world: World) -> None:
    """Threads that ask at the same time get each a sector of its own."""
    for _ in range(3):
        await finished(world)
    deals(world, *[2000] * 2)
    given = await asyncio.gather(*(world.manager.allocate_snapup([], [], None, None) for _ in range(6)))
    taken = [upgrade for upgrade in given if upgrade is not None]
    assert len({upgrade.id for upgrade in taken}) == len({upgrade.deals[0].deal_id for upgrade in taken}) == 2


async def test_an_upgrade_goes_to_its_end(world: World) -> None:
    """The calls of a whole task; comm_r is replaced and the deals are active as soon as the proof is accepted."""
    deals(world, 100, 300)
    content = await upgrading(world)
    sector, manager = content.sector, world.manager
    assert not (await manager.report_state(sector, REPORT)).finalized
    assert await manager.reserve_space(sector, 4096, []) is not None
    assert await manager.submit_persisted(sector, "store", is_upgrade=True)
    assert observer(world).comm_r(sector) == COMM_R
    assert (await content.send()).res is SubmitRes.Accepted
    assert observer(world).comm_r(sector) == NEW_COMM_R
    assert states(world) == [("active", str(sector))] * 2
    message = observer(world).messages(sector)[-1]
    assert (message.kind, message.state) == (Kind.SNAPUP, OnChain.Landed)
    await manager.report_finalized(sector)
    await manager.report_finalized(sector)
    assert (await manager.report_state(sector, REPORT)).finalized
    (upgrade,) = observer(world).upgrades()
    assert (upgrade.ended, upgrade.comm_r_old, upgrade.comm_r) == ("finalized", COMM_R, NEW_COMM_R)
    assert (upgrade.persisted_in, upgrade.proof_verified) == ("store", True)
    deal(world, b"more")
    assert await manager.allocate_snapup([], [], None, None) is None


async def test_what_was_accepted_stays(world: World) -> None:
    """The same again is a duplicate, also after the end; anything else comes too late, and changes nothing."""
    deals(world, 100)
    content = await upgrading(world)
    assert (await content.send()).res is SubmitRes.Accepted
    for _ in range(2):
        assert (await content.send()).res is SubmitRes.DuplicateSubmit
        assert (await content.but(comm_r="11" * 31 + "01").send()).res is SubmitRes.MismatchedSubmission
        await world.manager.report_finalized(content.sector)
    assert observer(world).comm_r(content.sector) == NEW_COMM_R
    assert states(world) == [("active", str(content.sector))]


@pytest.mark.parametrize("part", ["comm_r", "proof", "old"])
async def test_a_proof_of_something_else_is_refused(world: World, part: str) -> None:
    """Another new replica, a changed proof, one made over another old replica: nothing is replaced."""
    deals(world, 100)
    content = await upgrading(world)
    old = simulated_snap_proof(b"\1" * 32, bytes.fromhex(NEW_COMM_R), bytes.fromhex(content.comm_d))
    wrong = {
        "comm_r": content.but(comm_r="11" * 31 + "01"),
        "proof": content.but(proof=b"\0" + content.proof[1:]),
        "old": content.but(proof=old),
    }[part]
    answer = await wrong.send()
    assert (answer.res, answer.desc[:14]) == (SubmitRes.Rejected, "invalid proof:")
    assert observer(world).comm_r(content.sector) == COMM_R
    assert states(world) == [("given", str(content.sector))]
    assert observer(world).upgrades()[0].proof_verified is False
    assert (await content.send()).res is SubmitRes.Accepted


async def test_the_data_must_be_the_deals(world: World) -> None:
    """Zeros' CommD, or other pieces than were given, are rejected before a proof is looked at."""
    deals(world, 100, 100)
    content = await upgrading(world)
    answer = await content.but(comm_d=COMM_D).send()
    assert (answer.res, answer.desc[:6]) == (SubmitRes.Rejected, "CommD ")
    for pieces in ((), content.pieces[1:], content.pieces[:1], tuple(reversed(content.pieces))):
        answer = await content.but(pieces=pieces).send()
        assert (answer.res, answer.desc[:26]) == (SubmitRes.Rejected, "the pieces are not those o")
    assert observer(world).comm_r(content.sector) == COMM_R


@pytest.mark.parametrize("fillers", ["named", "null", "left out"])
async def test_fillers_may_be_named_or_not(world: World, fillers: str) -> None:
    """Workers may name all pieces, name those of the deals alone, or send null for a filler."""
    deals(world, 100)
    content = await upgrading(world)
    shown = {
        "named": content.pieces,
        "null": tuple(piece if piece.deal_id else Deal(piece_cid="", size=piece.size) for piece in content.pieces),
        "left out": tuple(piece for piece in content.pieces if piece.deal_id),
    }
    assert (await content.but(pieces=shown[fillers]).send()).res is SubmitRes.Accepted


async def test_files_that_are_missing_are_asked_for_again(world: World) -> None:
    """Without the update's files in the named store the answer is FilesMissed, as often as need be; then it goes."""
    deals(world, 100)
    content = await upgrading(world, files=False)
    for _ in range(2):
        assert (await content.send()).res is SubmitRes.FilesMissed
        assert not await world.manager.submit_persisted(content.sector, "store", is_upgrade=True)
    files = persist_upgrade(world, content.sector)
    answer = await content.but(access_instance="other").send()
    assert (answer.res, answer.desc) == (SubmitRes.FilesMissed, "there is no store named 'other'")
    (files.update_cache / "p_aux").unlink()
    answer = await content.send()
    assert answer.res is SubmitRes.FilesMissed
    assert "p_aux" in answer.desc
    persist_upgrade(world, content.sector)
    assert await world.manager.submit_persisted(content.sector, "store", is_upgrade=True)
    assert (await content.send()).res is SubmitRes.Accepted


async def test_an_aborted_upgrade_leaves_the_sector_as_it_was(world: World) -> None:
    """Its deals are free, its calls are unknown, and the sector can be upgraded again."""
    deals(world, 100)
    content = await upgrading(world)
    await world.manager.report_aborted(content.sector, "gave up")
    await world.manager.report_aborted(content.sector, "gave up")
    assert states(world) == [("free", None)]
    assert (await world.manager.report_state(content.sector, REPORT)).reason == "gave up"
    for call in (
        content.send(),
        world.manager.submit_persisted(content.sector, "store", is_upgrade=True),
        world.manager.reserve_space(content.sector, 1, []),
    ):
        with pytest.raises(Abort, match="11001"):
            await call
    again = await upgrading(world, content.sector)
    assert (await again.send()).res is SubmitRes.Accepted


async def test_an_upgrade_that_the_manager_ends_is_told_so(world: World) -> None:
    """Its deals are free at once, what it still sends is refused, and the sector waits until the worker has heard."""
    deals(world, 100)
    content = await upgrading(world)
    order_end(world.server.config.data, content.sector, "not needed")
    assert states(world) == [("free", None)]
    with pytest.raises(Abort, match="11001"):
        await content.send()
    assert await world.manager.allocate_snapup([], [], None, None) is None
    answer = await world.manager.report_state(content.sector, REPORT)
    assert (answer.finalized, answer.reason) == (True, "not needed")
    await world.manager.report_aborted(content.sector, "not needed")
    assert await world.manager.allocate_snapup([], [], None, None) is not None


async def test_a_repeated_end_of_the_sealing_does_not_end_the_upgrade(world: World) -> None:
    """The sealing's worker may say its end again after a lost answer, while the sector is upgraded already."""
    deals(world, 100)
    content = await upgrading(world)
    await world.manager.report_finalized(content.sector)
    assert not (await world.manager.report_state(content.sector, REPORT)).finalized
    assert (await content.send()).res is SubmitRes.Accepted


async def test_an_abort_after_the_acceptance_keeps_the_deals(world: World) -> None:
    """What is on chain is not taken back, and an aborted upgrade is none that can be finished."""
    deals(world, 100)
    content = await upgrading(world)
    await content.send()
    await world.manager.report_aborted(content.sector, "too late")
    assert states(world) == [("active", str(content.sector))]
    with pytest.raises(Abort, match="11001"):
        await world.manager.report_finalized(content.sector)


async def test_a_sector_that_is_not_upgraded_takes_no_upgrade(world: World) -> None:
    """Of a sector that was never handed out, or not for that, nothing is taken."""
    sector = await finished(world)
    for other in (SectorId(miner=1, number=1), sector, await world.allocated()):
        with pytest.raises(Abort, match="11001"):
            await Content(world, other, COMM_D, (), b"\1").send()
        with pytest.raises(Abort, match="11001"):
            await world.manager.submit_persisted(other, "store", is_upgrade=True)


async def test_crossing_calls_upgrade_once_and_a_silent_verifier_nothing(tmp_path: Path) -> None:
    """Of calls that cross each other one is accepted; a verifier that crashes lets nothing pass."""
    (tmp_path / "store").mkdir()
    config, verifier = config_for(tmp_path / "devnet", stores={"store": tmp_path / "store"}), Lenient()
    async with running(config, verifier=verifier) as world:
        deals(world, 100)
        content = await upgrading(world)
        verifier.broken = True
        with pytest.raises(Temporary, match="was killed"):
            await content.send()
        assert observer(world).upgrades()[0].proof_verified is None
        verifier.broken = False
        answers = await asyncio.gather(*(content.send() for _ in range(6)))
        assert sorted(answer.res for answer in answers) == [SubmitRes.Accepted] + [SubmitRes.DuplicateSubmit] * 5
