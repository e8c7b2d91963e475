"""The steps that speak to the chain through the manager: draw, submit, look, wait.

All may run twice. A submission that arrived and whose answer was lost comes back as a duplicate, which goes on. What
is polled costs no history: looking again is the server's retry.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from temporalio import activity

from sealing.failures import TICKET_EXPIRED, Abort, LookFirst, Permanent, Temporary, Wait
from sealing.flow.events import (
    AssignSeed,
    AssignTicket,
    CheckPC,
    Finish,
    RePersist,
    ReSubmitPC,
    ReSubmitProof,
    SubmitPC,
    SubmitProof,
    TicketExpired,
)
from sealing.manager.client import Manager, Watched
from sealing.manager.rhythm import Message, Rhythm
from sealing.manager.wire import UNDECIDED, OnChain, Polled, SubmitRes, Submitted
from sealing.processors.inputs import known
from sealing.sector import Sector, Settings, Task, ticket_ends
from sealing.values import UNKNOWN, SectorId, Submission, Ticket

BAD_PROOF = ("invalid proof", "verify seal:")
"""How it begins the description of a rejection for the proof itself, which nothing here cures by itself."""
NEW_SEED = "; if a reorganisation took the pre-commit back, resume to PersistanceSubmitted for its new seed"
"""What is said of a proof that is refused: it was verified here, so it proves the sector for a seed that is no more."""
BEGUN_AGAIN = "reset or started again from its state file"
"""What is said of a run that an earlier one may be ahead of."""
SOONEST, SEED_LOOK = 0.05, 3600.0
"""Seconds until the manager is asked again: at least, for Temporal takes no time for none, and for a seed at most."""
HOLD = 25
"""Seconds for which the question whether a message has landed may be held: about an epoch, and less than the 30 after
which proxies cut a call that is silent. An attempt's time limit in ``workflows/calls.py`` has room for them."""
Watch = Callable[[SectorId, int], Awaitable[Watched]]
ON_CHAIN = (*UNDECIDED, OnChain.Landed)


def expired(ticket: Ticket, settings: Settings, why: str) -> TicketExpired:
    """Return what the policy makes of an expired ticket: go back for a new one, park or abort."""
    match settings.expired_ticket:
        case "rewind":
            return TicketExpired(expired_ticket=ticket)
        case "park":
            raise Permanent(f"{why}; resume to TreeDBuilt draws a new ticket")
        case "abort":
            raise Abort(why)


def outlived(sector: Sector, settings: Settings) -> str | None:
    """Return in words that the sector's ticket is too old to compute on, or None."""
    ticket, ends, now = known(sector.ticket, "ticket"), ticket_ends(sector, settings), time.time()
    if ends is None or now <= ends:
        return None
    limit = settings.ticket_lifetime.total_seconds()
    return f"{TICKET_EXPIRED}: drawn {now - ticket.drawn_at:.0f} s ago at epoch {ticket.epoch}, good for {limit:.0f} s"


@dataclass(frozen=True)
class ChainActivities:
    """Manager calls, on any worker of the fleet."""

    manager: Manager
    rhythm: Rhythm = field(default_factory=Rhythm)

    @activity.defn
    async def assign_ticket(self, task: Task) -> AssignTicket:
        """Draw the randomness for PC1. Of a sector that went back not where a pre-commit is on chain: Permanent.

        Nor at once where the ticket before is young: then a clock is wrong, and the next one would expire as well.
        """
        _refuse_hurry(task)
        if (task.reset or task.sector.round) and (found := await self.precommit_on_chain(task)):
            raise Permanent(
                f"the sector went back to before its pre-commit, which is on chain or on its way ({found}): a new "
                "ticket would wipe the only replica that matches it; reset the workflow to after its ticket was drawn"
            )
        ticket = await self.manager.assign_ticket(task.sector.id)
        return AssignTicket(ticket=ticket.model_copy(update={"drawn_at": time.time()}))

    @activity.defn
    async def submit_precommit(self, task: Task) -> SubmitPC | TicketExpired:
        """Send the pre-commit. ``reset`` says that it takes the place of one that was sent before."""
        sector = task.sector
        if task.reset and not task.looked:
            raise LookFirst(f"the workflow of {sector.id} was {BEGUN_AGAIN}: is its replica still there?")
        ticket = known(sector.ticket, "ticket")
        comm_r, comm_d = known(sector.comm_r, "comm_r"), known(sector.comm_d, "comm_d")
        content = _digest(comm_r, comm_d, ticket.ticket, str(ticket.epoch))
        reset = _reset(content, sector.round, sector.precommit_sent, sector.precommit_failed)
        answer = await self.manager.submit_precommit(sector.id, sector.proof_type, comm_r, comm_d, ticket, reset=reset)
        is_refused = answer.res is SubmitRes.Rejected
        # An earlier try of this very content, whose answer was lost, may be on chain: what is refused now is not it.
        if is_refused and (found := await self.precommit_on_chain(task)):
            if reset and sector.precommit_failed is None:
                raise Permanent(f"{answer.desc}; and an earlier pre-commit with another content is {found}")
        elif is_refused and answer.desc.startswith(TICKET_EXPIRED):
            return expired(ticket, task.settings, answer.desc)
        else:
            _accepted(answer, "SubmitPreCommit")
        return SubmitPC(precommit_sent=_sent(content, sector, ticket.epoch))

    @activity.defn
    async def precommit_on_chain(self, task: Task) -> str:
        """Return in words where a pre-commit of the sector stands on chain, or nothing if there is none."""
        polled = await self.manager.poll_precommit(task.sector.id)
        return f"{polled.state.name} {polled.desc or ''}".strip() if polled.state in ON_CHAIN else ""

    @activity.defn
    async def check_precommit(self, task: Task) -> ReSubmitPC | CheckPC:
        """Look whether the pre-commit landed."""
        polled = await self._decided(task, Message.PRECOMMIT, task.sector.precommit_sent, self.manager.watch_precommit)
        if polled.state is OnChain.Landed:
            return CheckPC(precommit_landed=polled.desc or "landed")
        return ReSubmitPC(precommit_failed=polled.desc or "failed on chain")

    @activity.defn
    async def wait_seed(self, task: Task) -> AssignSeed:
        """Wait for the randomness for C1. Its epoch is the manager's to say, never computed here."""
        answer = await self.manager.wait_seed(task.sector.id, task.sector.proof_type)
        if answer.seed is not None:
            return AssignSeed(seed=answer.seed)
        if not answer.should_wait:
            raise Temporary("WaitSeed: the manager has neither a seed nor a time to wait")
        raise Wait(f"the seed comes in {answer.delay:.0f} s", min(max(answer.delay, SOONEST), SEED_LOOK))

    @activity.defn
    async def submit_proof(self, task: Task) -> SubmitProof:
        """Send the proof. The same rules as for the pre-commit.

        After a reset not where an earlier run has one on chain or on its way: it may be another, for each C2 makes its
        own, and proves the same.
        """
        sector = task.sector
        proof = known(sector.proof, "proof")
        if task.reset and sector.proof_sent is None and await self._has_proof(sector):
            return SubmitProof(proof_sent=Submission(digest=UNKNOWN, round=sector.round))
        content = _digest(proof)
        reset = _reset(content, sector.round, sector.proof_sent, sector.proof_failed)
        answer = await self.manager.submit_proof(sector.id, proof, reset=reset)
        if answer.res is not SubmitRes.Rejected or not await self._has_proof(sector):
            _accepted(answer, "SubmitProof", NEW_SEED)
        return SubmitProof(proof_sent=_sent(content, sector))

    async def _has_proof(self, sector: Sector) -> bool:
        return (await self.manager.poll_proof(sector.id)).state in ON_CHAIN

    @activity.defn
    async def submit_snapup_proof(self, task: Task) -> RePersist | Finish:
        """Send the proof of an upgrade: it is accepted, or the files are to be stored again. The rest aborts.

        But not where something was sent before, or may have been: it may have been accepted, and an abort would free
        the deals of a replica that is on chain. Permanent then.
        """
        sector = task.sector
        answer = await self.manager.submit_snapup_proof(
            sector.id,
            comm_r=known(sector.comm_r, "comm_r"),
            comm_d=known(sector.comm_d, "comm_d"),
            access_instance=known(sector.persisted_in, "store"),
            pieces=known(sector.deals, "deals"),
            proof=known(sector.proof, "proof"),
        )
        why = f"SubmitSnapUpProof: {answer.res.name}: {answer.desc or 'no reason given'}"
        match answer.res:
            case SubmitRes.Accepted | SubmitRes.DuplicateSubmit:
                return Finish(proof_outcome="accepted")
            case SubmitRes.FilesMissed:
                return RePersist(persistence_refused=why)
            case SubmitRes.MismatchedSubmission | SubmitRes.Rejected:
                if sector.round or sector.proof_sent or task.reset or activity.info().attempt > 1:
                    raise Permanent(f"{why}; an upgrade that was sent before may have been accepted: ask the manager")
                raise Abort(why)

    @activity.defn
    async def check_proof(self, task: Task) -> ReSubmitProof | Finish:
        """Look whether the proof landed, unless the configuration says not to."""
        if task.settings.ignore_proof_check:
            return Finish(proof_outcome="unchecked")
        polled = await self._decided(task, Message.PROOF, task.sector.proof_sent, self.manager.watch_proof)
        if polled.state is OnChain.Landed:
            return Finish(proof_outcome="landed")
        return ReSubmitProof(proof_failed=polled.desc or "failed on chain")

    async def _decided(self, task: Task, kind: Message, sent: Submission | None, watch: Watch) -> Polled:
        """Look at a message, and return how it stands if it landed or failed. Raises for all else, and too soon."""
        interval, sector = task.settings.rpc_polling_interval.total_seconds(), task.sector.id
        age, first = _age(sent), self.rhythm.first_look(kind, interval)
        if age is not None and age < first:
            raise Wait(f"the {kind} was sent {age:.0f} s ago, and is first looked at after {first:.0f} s", first - age)
        watched = await watch(sector, HOLD)
        polled, self.rhythm.is_held = watched.polled, watched.held
        if sent is not None and age is not None and not watched.held:
            self._learn(polled, kind, (kind, sector, sent.at), age, interval)
        _refuse_undecided(polled, f"the {kind}", SOONEST if watched.in_full else interval)
        return polled

    def _learn(self, polled: Polled, kind: Message, which: Hashable, age: float, interval: float) -> None:
        if polled.state is OnChain.Landed:
            self.rhythm.landed(kind, which, age, interval)
        elif polled.state in UNDECIDED:
            self.rhythm.waits(which, age)


def _age(sent: Submission | None) -> float | None:
    """Return how long ago it was sent; None where that is not known, or where a clock was set."""
    age = time.time() - sent.at if sent is not None and sent.at else -1.0
    return age if age >= 0 else None


def _digest(*content: str) -> str:
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def _sent(content: str, sector: Sector, ticket_epoch: int | None = None) -> Submission:
    return Submission(digest=content, round=sector.round, ticket_epoch=ticket_epoch, at=time.time())


def _reset(content: str, now: int, sent: Submission | None, failed: str | None) -> bool:
    """Tell whether a submission replaces one: the earlier failed on chain, or its content was another.

    Of one that was let go of under way the content is known to be the same only in the same round, ``now``.
    """
    if failed is not None or sent is None:
        return failed is not None
    return sent.digest != content if sent.is_certain else sent.round != now


def _refuse_hurry(task: Task) -> None:
    before, pause = task.sector.expired_ticket, task.settings.recover_interval.total_seconds()
    if before is not None and 0 <= (age := time.time() - before.drawn_at) < pause:
        why = f"the ticket of epoch {before.epoch} was drawn {age:.0f} s ago and taken for expired: is a clock wrong?"
        raise Wait(f"{why} Another is drawn after {pause:.0f} s", pause - age)


def _accepted(answer: Submitted, method: str, cure: str = "") -> None:
    """Return where a submission was taken. Else raise; ``cure`` is what to do about a proof that is refused."""
    why = f"{method}: {answer.res.name}: {answer.desc or 'no reason given'}"
    match answer.res:
        case SubmitRes.Accepted | SubmitRes.DuplicateSubmit:
            return
        case SubmitRes.MismatchedSubmission | SubmitRes.FilesMissed:
            raise Permanent(why)
        case SubmitRes.Rejected:
            if answer.desc.startswith(BAD_PROOF):
                raise Permanent(why + cure)
            raise Abort(why)


def _refuse_undecided(polled: Polled, what: str, interval: float) -> None:
    """Return where a message landed, or failed and is to be sent again. Raises for all else."""
    why = f"{what} is {polled.state.name}" + (f": {polled.desc}" if polled.desc else "")
    match polled.state:
        case OnChain.Landed | OnChain.Failed:
            return
        case OnChain.Pending | OnChain.Packed:
            raise Wait(why, interval)
        case OnChain.NotFound | OnChain.PermFailed:
            raise Permanent(why)
        case OnChain.ShouldAbort:
            raise Abort(why)
