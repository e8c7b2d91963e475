"""What the chain refuses: of pre-commits, and of proofs."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from sealing.devnet.queries import Observer
from sealing.devnet.verifier import VerifierError
from sealing.failures import Temporary
from sealing.manager.wire import OnChain, SubmitRes
from sealing.values import Ticket
from tests.devnet.world import COMM_R, World, config_for, proof_for, running

OTHER_COMM_R = "cd" * 31 + "0c"
WRONG = base64.b64encode(b"\1" * 192).decode()
OTHER_WRONG = base64.b64encode(b"\2" * 192).decode()


async def test_the_same_precommit_again_is_a_duplicate(world: World) -> None:
    """What was sent is recognised, before and after it landed, with and without reset, also with its ticket expired."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    await world.precommit(sector, ticket)
    for epochs in (0, 2, 5000):
        world.pass_epochs(epochs)
        for reset in (False, True):
            assert (await world.precommit(sector, ticket, reset=reset)).res is SubmitRes.DuplicateSubmit


async def test_other_content_needs_reset_and_comes_too_late_after_landing(world: World) -> None:
    """Other content replaces what has not landed, if reset says so; what landed stays."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    await world.precommit(sector, ticket)
    refused = await world.precommit(sector, ticket, comm_r=OTHER_COMM_R)
    assert refused.res is SubmitRes.MismatchedSubmission
    assert (await world.precommit(sector, ticket, comm_r=OTHER_COMM_R, reset=True)).res is SubmitRes.Accepted
    world.pass_epochs(world.server.config.landed_after)
    late = await world.precommit(sector, ticket, comm_r=COMM_R, reset=True)
    assert late.res is SubmitRes.MismatchedSubmission
    assert "landed" in late.desc
    messages = Observer(world.server.config.data, world.clock).messages(sector)
    assert [message.state for message in messages] == [OnChain.NotFound, OnChain.Landed]


async def test_an_expired_ticket_is_refused_with_its_numbers(world: World) -> None:
    """A ticket beyond its lifetime is rejected in the words by which a worker knows it."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    world.pass_epochs(3780 - 900 + 1)
    answer = await world.precommit(sector, ticket)
    assert answer.res is SubmitRes.Rejected
    head = world.server.chain.head()
    assert answer.desc == f"ticket expired: ticket epoch {ticket.epoch}, head {head}, lifetime 3780"
    assert (await world.manager.poll_precommit(sector)).state is OnChain.NotFound


async def test_a_made_up_ticket_and_a_wrong_commd_are_refused(world: World) -> None:
    """The chain knows its randomness, and what an empty sector's data commits to."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    made_up = await world.precommit(sector, Ticket(ticket="00" * 32, epoch=ticket.epoch))
    assert (made_up.res, made_up.desc[:12]) == (SubmitRes.Rejected, "wrong ticket")
    answer = await world.manager.submit_precommit(sector, 5, COMM_R, "11" * 32, ticket, reset=False)
    assert (answer.res, answer.desc[:6]) == (SubmitRes.Rejected, "CommD ")


async def test_a_refused_replacement_leaves_the_earlier_one(world: World) -> None:
    """A reset with content that the chain refuses does not take back what was sent."""
    sector = await world.allocated()
    ticket = await world.manager.assign_ticket(sector)
    await world.precommit(sector, ticket)
    answer = await world.manager.submit_precommit(sector, 5, COMM_R, "11" * 32, ticket, reset=True)
    assert answer.res is SubmitRes.Rejected
    assert (await world.manager.poll_precommit(sector)).state is OnChain.Pending


async def test_a_wrong_proof_never_gets_into_the_pool(world: World) -> None:
    """A proof that verify_seal refuses is rejected, nothing is sent, and a right one still goes."""
    sector = await world.allocated()
    ticket, seed = await world.seeded(sector)
    answer = await world.manager.submit_proof(sector, WRONG, reset=False)
    assert answer.res is SubmitRes.Rejected
    assert answer.desc.startswith("invalid proof: verify_seal refused it")
    assert (await world.manager.poll_proof(sector)).state is OnChain.NotFound
    observer = Observer(world.server.config.data, world.clock)
    assert observer.timeline(sector).proof_verified is False
    assert (await world.manager.submit_proof(sector, proof_for(sector, ticket, seed), reset=False)).res == 1
    assert observer.timeline(sector).proof_verified is True


async def test_a_proof_before_its_time_is_an_error(world: World) -> None:
    """Without a landed pre-commit, or before the seed's epoch, a proof is not taken; later it may be."""
    sector = await world.allocated()
    with pytest.raises(Temporary, match="no pre-commit on chain"):
        await world.manager.submit_proof(sector, WRONG, reset=False)
    await world.precommit(sector, await world.manager.assign_ticket(sector))
    world.pass_epochs(world.server.config.landed_after)
    with pytest.raises(Temporary, match="comes at epoch"):
        await world.manager.submit_proof(sector, WRONG, reset=False)


class Lenient:
    """A verifier that takes everything, or gives no answer, and counts."""

    def __init__(self) -> None:
        """Begin by taking everything."""
        self.calls, self.broken = 0, False

    async def verify_seal(self, **_: object) -> bool:
        """Take it."""
        self.calls += 1
        await asyncio.sleep(0)
        if self.broken:
            msg = "verify_seal was killed"
            raise VerifierError(msg)
        return True

    async def verify_snap(self, **claim: object) -> bool:
        """Take it."""
        return await self.verify_seal(**claim)


async def test_proofs_follow_the_rules_of_precommits(tmp_path: Path) -> None:
    """The same proof is a duplicate, another needs reset, and none replaces a landed one."""
    async with running(config_for(tmp_path), verifier=Lenient()) as world:
        sector = await world.allocated()
        await world.seeded(sector)

        async def send(proof: str, *, reset: bool = False) -> SubmitRes:
            return (await world.manager.submit_proof(sector, proof, reset=reset)).res

        assert await send(WRONG) is SubmitRes.Accepted
        assert await send(WRONG, reset=True) is SubmitRes.DuplicateSubmit
        assert await send(OTHER_WRONG) is SubmitRes.MismatchedSubmission
        assert await send(OTHER_WRONG, reset=True) is SubmitRes.Accepted
        world.pass_epochs(world.server.config.landed_after)
        assert await send(WRONG, reset=True) is SubmitRes.MismatchedSubmission
        assert await send(OTHER_WRONG) is SubmitRes.DuplicateSubmit


async def test_a_verifier_without_an_answer_lets_nothing_pass(tmp_path: Path) -> None:
    """A crash of the verifier is a passing error; nothing is known of the proof, and nothing is sent."""
    verifier = Lenient()
    verifier.broken = True
    async with running(config_for(tmp_path), verifier=verifier) as world:
        sector = await world.allocated()
        await world.seeded(sector)
        with pytest.raises(Temporary, match="verify_seal was killed"):
            await world.manager.submit_proof(sector, WRONG, reset=False)
        assert (await world.manager.poll_proof(sector)).state is OnChain.NotFound
        assert Observer(world.server.config.data, world.clock).timeline(sector).proof_verified is None


async def test_a_proof_sent_many_times_at_once_lands_once(tmp_path: Path) -> None:
    """Calls that cross each other send one message."""
    async with running(config_for(tmp_path), verifier=Lenient()) as world:
        sector = await world.allocated()
        await world.seeded(sector)
        answers = await asyncio.gather(*(world.manager.submit_proof(sector, WRONG, reset=False) for _ in range(8)))
        assert sorted(answer.res for answer in answers) == [SubmitRes.Accepted] + [SubmitRes.DuplicateSubmit] * 7
        assert len(Observer(tmp_path, world.clock).messages(sector)) == 2
