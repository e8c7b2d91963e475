"""Faults on purpose: each does what it says as often as it says, outlives the manager, and is in the books."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from sealing.devnet.faults.book import FaultRecord, clear_faults, order_fault
from sealing.devnet.faults.kinds import FAULT, METHODS, Answer, Down, Fault, Lost, Outcome, Reorg, Slow
from sealing.devnet.queries import Observer
from sealing.failures import Outage, Temporary
from sealing.manager.wire import OnChain, SubmitRes
from sealing.values import SectorId
from tests.devnet.market import comm_d, deal, prove, states
from tests.devnet.world import World, config_for, proof_for, running


def order(world: World, fault: Fault) -> int:
    """Order a fault as another process does."""
    return order_fault(world.server.config, fault, world.clock)


def book(world: World) -> list[FaultRecord]:
    """Return the faults as others see them."""
    return Observer(world.server.config.data, world.clock).faults()


def messages(world: World, sector: SectorId) -> list[tuple[str, OnChain]]:
    """Return the kinds and states of a sector's messages."""
    found = Observer(world.server.config.data, world.clock).messages(sector)
    return [(message.kind.value, message.state) for message in found]


async def sent(world: World) -> SectorId:
    """Return a sector whose pre-commit was sent."""
    sector = await world.allocated()
    await world.precommit(sector, await world.manager.assign_ticket(sector))
    return sector


async def proved(world: World) -> SectorId:
    """Return a sector whose proof was sent."""
    sector = await world.allocated()
    ticket, seed = await world.seeded(sector)
    await world.manager.submit_proof(sector, proof_for(sector, ticket, seed), reset=False)
    return sector


async def polled(world: World, sector: SectorId, message: str) -> OnChain:
    """Return where a message stands, as a worker hears it."""
    poll = world.manager.poll_precommit if message == "precommit" else world.manager.poll_proof
    return (await poll(sector)).state


# Outcomes on chain


@pytest.mark.parametrize("state", ["PermFailed", "ShouldAbort", "NotFound"])
@pytest.mark.parametrize("message", ["precommit", "proof"])
async def test_an_outcome_is_what_the_next_polls_answer(world: World, message: Any, state: Any) -> None:
    """So often and no more, with the description, only of that message; the book says when and for whom."""
    sector = await proved(world)
    order(world, Outcome(message=message, state=state, desc="because", times=2))
    poll = world.manager.poll_precommit if message == "precommit" else world.manager.poll_proof
    for _ in range(2):
        answer = await poll(sector)
        assert (answer.state.name, answer.desc) == (state, "because")
    assert await polled(world, sector, message) in {OnChain.Landed, OnChain.Pending}
    (record,) = book(world)
    assert (record.state, record.times_left) == ("used up", 0)
    assert [(use.at, use.sector) for use in record.uses] == [(world.clock.now, str(sector))] * 2


async def test_a_message_that_failed_is_sent_again_with_reset(world: World) -> None:
    """Failed is the message's own: it stays so, without a landing, until the same or another is sent with reset."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    await world.precommit(sector, ticket)
    order(world, Outcome(message="precommit", state="Failed", desc="out of gas"))
    for _ in range(2):
        answer = await world.manager.poll_precommit(sector)
        assert (answer.state, answer.desc) == (OnChain.Failed, "out of gas")
        world.pass_epochs(1000)
    assert not (await world.manager.wait_seed(sector, 5)).should_wait
    assert (await world.precommit(sector, ticket)).res is SubmitRes.DuplicateSubmit
    assert await polled(world, sector, "precommit") is OnChain.Failed
    assert (await world.precommit(sector, ticket, reset=True)).res is SubmitRes.Accepted
    assert (await world.precommit(sector, ticket, reset=True)).res is SubmitRes.DuplicateSubmit
    assert await polled(world, sector, "precommit") is OnChain.Pending
    assert messages(world, sector) == [("precommit", OnChain.NotFound), ("precommit", OnChain.Pending)]
    observed = Observer(world.server.config.data, world.clock).messages(sector)
    assert len({message.digest for message in observed}) == 1


async def test_a_proof_that_failed_does_not_activate_deals(world: World) -> None:
    """They stay given to the sector, and are free again when it is given up; the timeline has no landing."""
    sector = await world.allocated()
    deal(world, b"data")
    given = await world.manager.acquire_deals(sector, None, None)
    assert await prove(world, sector, comm_d(given)) is SubmitRes.Accepted
    order(world, Outcome(message="proof", state="Failed"))
    assert await polled(world, sector, "proof") is OnChain.Failed
    world.pass_epochs(1000)
    assert states(world) == [("given", str(sector))]
    timeline = Observer(world.server.config.data, world.clock).timeline(sector)
    assert (timeline.proof_sent_at, timeline.proof_landed_at) == (None, None)
    await world.manager.report_aborted(sector, "gave up")
    assert states(world) == [("free", None)]


async def test_a_fault_of_one_sector_leaves_the_others_alone(world: World) -> None:
    """It waits for its sector, which need not be there when the fault is ordered."""
    first = await sent(world)
    second = SectorId(miner=first.miner, number=first.number + 1)
    order(world, Outcome(message="precommit", state="PermFailed", sector=str(second)))
    order(world, Answer(message="precommit", res="Rejected", sector=str(second)))
    assert await polled(world, first, "precommit") is OnChain.Pending
    sector = await world.allocated()
    assert sector == second
    ticket = await world.manager.assign_ticket(second)
    assert (await world.precommit(second, ticket)).res is SubmitRes.Rejected
    assert await polled(world, second, "precommit") is OnChain.NotFound, "nothing was sent: nothing is used up"
    assert (await world.precommit(second, ticket)).res is SubmitRes.Accepted
    assert await polled(world, second, "precommit") is OnChain.PermFailed
    assert await polled(world, second, "precommit") is OnChain.Pending


async def test_until_it_is_cleared(world: World) -> None:
    """A fault without a count goes on until it is cleared, and what was used stays in the book."""
    sector = await sent(world)
    number = order(world, Outcome(message="precommit", state="NotFound", times=None))
    for _ in range(3):
        assert await polled(world, sector, "precommit") is OnChain.NotFound
    assert clear_faults(world.server.config.data, [number], world.clock) == [number]
    assert await polled(world, sector, "precommit") is OnChain.Pending
    assert clear_faults(world.server.config.data, None, world.clock) == []
    (record,) = book(world)
    assert (record.state, record.cleared_at, len(record.uses)) == ("cleared", world.clock.now, 3)
    with pytest.raises(KeyError):
        clear_faults(world.server.config.data, [number + 1], world.clock)


# Submissions


@pytest.mark.parametrize("res", ["Rejected", "MismatchedSubmission", "FilesMissed"])
async def test_an_answer_stands_in_for_the_chains(world: World, res: Any) -> None:
    """Nothing of the submission reaches the chain; the next is looked at again. Pre-commit and proof alike."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    order(world, Answer(message="precommit", res=res, desc="ticket expired: it is said"))
    answer = await world.precommit(sector, ticket)
    assert (answer.res.name, answer.desc) == (res, "ticket expired: it is said")
    assert messages(world, sector) == []
    ticket, seed = await world.seeded(sector)
    order(world, Answer(message="proof", res=res, desc="no"))
    proof = proof_for(sector, ticket, seed)
    assert (await world.manager.submit_proof(sector, proof, reset=False)).res.name == res
    assert len(messages(world, sector)) == 1
    assert (await world.manager.submit_proof(sector, proof, reset=False)).res is SubmitRes.Accepted


# The wire


async def test_a_lost_answer_took_effect(world: World) -> None:
    """The connection is cut after the call was carried out: asked again, the manager knows it."""
    order(world, Lost(method="AllocateSector"))
    with pytest.raises(Outage):
        await world.manager.allocate_sector([], [], request="key")
    again = await world.manager.allocate_sector([], [], request="key")
    assert again is not None
    assert len(Observer(world.server.config.data, world.clock).sectors()) == 1
    order(world, Lost(method="Venus.SubmitPreCommit", times=2))
    ticket = await world.manager.assign_ticket(again.id)
    for _ in range(2):
        with pytest.raises(Outage):
            await world.precommit(again.id, ticket)
    assert (await world.precommit(again.id, ticket)).res is SubmitRes.DuplicateSubmit
    assert messages(world, again.id) == [("precommit", OnChain.Pending)]
    assert [[use.method for use in record.uses] for record in book(world)] == [
        ["Venus.AllocateSector"],
        ["Venus.SubmitPreCommit"] * 2,
    ]


async def test_an_error_is_no_answer_that_is_lost(world: World) -> None:
    """A call that was not carried out uses nothing up."""
    order(world, Lost(method="SubmitProof"))
    sector = await world.allocated()
    with pytest.raises(Temporary, match="no pre-commit on chain"):
        await world.manager.submit_proof(sector, "AAAA", reset=False)
    assert book(world)[0].state == "active"


async def test_nothing_is_sent_on_a_connection_that_is_cut(world: World) -> None:
    """Not one byte: no status, no headers."""
    order(world, Lost(method="AllocateSector"))
    body = b'{"jsonrpc":"2.0","id":1,"method":"Venus.AllocateSector","params":[{}]}'
    host, port = world.server.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /rpc/v0 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    assert len(Observer(world.server.config.data, world.clock).sectors()) == 1


async def test_slow_calls(world: World) -> None:
    """One method, or all; the delays of several faults add up, and others are answered meanwhile."""
    order(world, Slow(seconds=0.2, times=2))
    order(world, Slow(seconds=0.2, method="AllocateSector"))
    began = time.monotonic()
    await world.allocated()
    assert time.monotonic() - began >= 0.4
    slow = asyncio.create_task(world.allocated())
    await asyncio.sleep(0.05)
    assert await world.manager.store_info("store") is not None
    assert not slow.done()
    await slow


async def test_down_answers_nobody(world: World) -> None:
    """Calls and pieces alike, and nothing is carried out; when the time is over all is as before."""
    cid = deal(world, b"data").piece_cid
    sector = await world.allocated()
    order(world, Down(seconds=60))
    with pytest.raises(Outage):
        await world.allocated()
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.TransportError):
            await http.get(f"{world.server.address}/piecestore/{cid}")
        assert [use.method for use in book(world)[0].uses] == ["/rpc/v0", f"/piecestore/{cid}"]
        assert [record.id for record in Observer(world.server.config.data, world.clock).sectors()] == [sector]
        world.clock.now += 60
        assert (await http.get(f"{world.server.address}/piecestore/{cid}")).content == b"data"
    await world.allocated()
    assert book(world)[0].state == "over"


# Reorganisations


async def test_a_precommit_that_is_taken_back_lands_again_with_another_seed(world: World) -> None:
    """Pending at once, landed after as long as a new one, and the seed comes as long after as always."""
    sector = await world.allocated()
    ticket, seed = await world.seeded(sector)
    config = world.server.config
    order(world, Reorg(message="precommit", sector=str(sector)))
    assert messages(world, sector) == [("precommit", OnChain.Pending)]
    assert await polled(world, sector, "precommit") is OnChain.Pending
    assert not (await world.manager.wait_seed(sector, 5)).should_wait
    old = proof_for(sector, ticket, seed)
    with pytest.raises(Temporary, match="no pre-commit on chain"):
        await world.manager.submit_proof(sector, old, reset=False)
    world.pass_epochs(config.landed_after)
    assert await polled(world, sector, "precommit") is OnChain.Landed
    assert (await world.manager.wait_seed(sector, 5)).should_wait
    world.pass_epochs(config.seed_delay)
    fresh = (await world.manager.wait_seed(sector, 5)).seed
    assert fresh is not None
    assert fresh.epoch == seed.epoch + config.landed_after + config.seed_delay
    refused = await world.manager.submit_proof(sector, old, reset=False)
    assert (refused.res, refused.desc[:13]) == (SubmitRes.Rejected, "invalid proof")
    assert (await world.manager.submit_proof(sector, proof_for(sector, ticket, fresh), reset=False)).res == 1


async def test_a_proof_for_the_old_seed_fails_with_its_precommit(world: World) -> None:
    """It was in the pool already: it fails, and says why; a proof for the new seed takes its place."""
    sector = await world.allocated()
    ticket, seed = await world.seeded(sector)
    await world.manager.submit_proof(sector, proof_for(sector, ticket, seed), reset=False)
    order(world, Reorg(message="precommit"))
    answer = await world.manager.poll_proof(sector)
    assert answer.state is OnChain.Failed
    assert "its pre-commit was taken back" in answer.desc
    world.pass_epochs(world.server.config.landed_after + world.server.config.seed_delay)
    fresh = (await world.manager.wait_seed(sector, 5)).seed
    assert fresh is not None
    assert (await world.manager.submit_proof(sector, proof_for(sector, ticket, fresh), reset=True)).res == 1


async def test_a_proof_that_is_taken_back_lands_again(world: World) -> None:
    """By itself; and its sector is proved then, so that its pre-commit is taken back no more."""
    sector = await proved(world)
    order(world, Reorg(message="proof"))
    assert book(world)[0].state == "active", "it waits for the proof to land"
    world.pass_epochs(2)
    assert await polled(world, sector, "proof") is OnChain.Pending
    world.pass_epochs(1)
    assert await polled(world, sector, "proof") is OnChain.Packed
    world.pass_epochs(1)
    assert await polled(world, sector, "proof") is OnChain.Landed
    order(world, Reorg(message="precommit"))
    assert await polled(world, sector, "precommit") is OnChain.Landed
    assert [record.state for record in book(world)] == ["used up", "active"]


# The book


async def test_faults_of_the_configuration_and_of_commands_outlive_the_manager(tmp_path: Path) -> None:
    """Each once for a data folder; one that is taken out of the file is cleared, and put in again is a new one."""
    two = [{"kind": "lost", "method": "AssignTicket"}, {"kind": "lost", "method": "AssignTicket"}]
    down = {"kind": "slow", "seconds": 0.001, "times": None}
    with_two, with_three = config_for(tmp_path, faults=two), config_for(tmp_path, faults=[down, *two])
    async with running(with_two) as world:
        sector = await world.allocated()
        with pytest.raises(Outage):
            await world.manager.assign_ticket(sector)
        order(world, Lost(method="PollProofState"))
    async with running(with_three, world.clock) as world:
        with pytest.raises(Outage):
            await world.manager.assign_ticket(sector)
        await world.manager.assign_ticket(sector)
        with pytest.raises(Outage):
            await world.manager.poll_proof(sector)
    async with running(with_two, world.clock) as world:
        assert [(record.state, record.is_configured) for record in book(world)] == [
            ("used up", True),
            ("used up", True),
            ("used up", False),
            ("cleared", False),
        ]
    async with running(with_three, world.clock) as world:
        assert [record.fault.kind for record in book(world) if record.state == "active"] == ["slow"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "lost", "method": "SubmitPrecomit"}, "did you mean SubmitPreCommit?"),
        ({"kind": "lost", "method": "x"}, "there are AllocateSector, "),
        ({"kind": "lost", "method": "AssignTicket", "times": 0}, "greater than or equal to 1"),
        ({"kind": "lost", "method": "AssignTicket", "time": 1}, "Extra inputs"),
        ({"kind": "outcome", "message": "snapup", "state": "Failed"}, "'precommit' or 'proof'"),
        ({"kind": "outcome", "message": "proof", "state": "Landed"}, "'Failed', 'PermFailed'"),
        ({"kind": "outcome", "message": "proof", "state": "Failed", "sector": "5"}, "write it as s-t01000-5"),
        ({"kind": "answer", "message": "proof", "res": "Accepted"}, "'Rejected', 'Mismatched"),
        ({"kind": "down", "seconds": -1}, "greater than 0"),
        ({"kind": "slow", "seconds": float("nan")}, "finite"),
        ({"kind": "burn"}, "'outcome', 'answer', 'lost', 'slow', 'down', 'reorg'"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, object], says: str) -> None:
    """In the configuration as by command, with what would be right."""
    with pytest.raises(ValidationError) as refused:
        FAULT.validate_python(wrong)
    assert says in str(refused.value)
    with pytest.raises(ValidationError):
        config_for(tmp_path, faults=[wrong])


def test_every_method_can_fail() -> None:
    """All of the manager's methods are known by their short names."""
    assert len(METHODS) == 17
    for method in METHODS:
        assert Lost(method=method.removeprefix("Venus.")).method == method
