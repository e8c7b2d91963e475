"""Each fault on purpose, in both flows where it can occur: where the sector comes to stand, and that it finishes.

Whatever was lost, refused or taken back, each submission reached the chain with one content.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.devnet.faults.book import FaultRecord, clear_faults, order_fault
from sealing.devnet.faults.kinds import FAULT, Fault
from sealing.failures import Level
from sealing.flow.state import State
from sealing.values import SectorId
from tests.operate.command import sealflow
from tests.workflows.test_snapup import upgradable
from tests.world.plant import Plant, plant, working
from tests.world.stage import together

pytestmark = pytest.mark.server

PERMANENT, ABORT = Level.Permanent, Level.Abort


@dataclass(frozen=True)
class Case:
    """A fault, the state that it meets the sector in, and what it comes to there; None: it goes on by itself."""

    fault: dict[str, Any]
    state: State
    level: Level | None

    @property
    def name(self) -> str:
        """The fault in a few words."""
        return " ".join(str(value) for value in self.fault.values())


def outcome(message: str, state: str) -> dict[str, Any]:
    """Return a fault of the chain."""
    return {"kind": "outcome", "message": message, "state": state, "desc": "said the fault"}


def answer(message: str, res: str, desc: str = "said the fault") -> dict[str, Any]:
    """Return a fault of a submission."""
    return {"kind": "answer", "message": message, "res": res, "desc": desc}


EXPIRED, INVALID = "ticket expired: said the fault", "invalid proof: said the fault"

SEALING = [
    Case(outcome("precommit", "Failed"), State.PCSubmitted, None),
    Case(outcome("precommit", "PermFailed"), State.PCSubmitted, PERMANENT),
    Case(outcome("precommit", "NotFound"), State.PCSubmitted, PERMANENT),
    Case(outcome("precommit", "ShouldAbort"), State.PCSubmitted, ABORT),
    Case(answer("precommit", "Rejected", EXPIRED), State.PC2Done, None),
    Case(answer("precommit", "Rejected", INVALID), State.PC2Done, PERMANENT),
    Case(answer("precommit", "Rejected"), State.PC2Done, ABORT),
    Case(answer("precommit", "MismatchedSubmission"), State.PC2Done, PERMANENT),
    Case(answer("precommit", "FilesMissed"), State.PC2Done, PERMANENT),
    Case(outcome("proof", "Failed"), State.ProofSubmitted, None),
    Case(outcome("proof", "PermFailed"), State.ProofSubmitted, PERMANENT),
    Case(outcome("proof", "NotFound"), State.ProofSubmitted, PERMANENT),
    Case(outcome("proof", "ShouldAbort"), State.ProofSubmitted, ABORT),
    Case(answer("proof", "Rejected", INVALID), State.C2Done, PERMANENT),
    Case(answer("proof", "Rejected"), State.C2Done, ABORT),
    Case(answer("proof", "MismatchedSubmission"), State.C2Done, PERMANENT),
    Case(answer("proof", "FilesMissed"), State.C2Done, PERMANENT),
]
UPGRADING = [
    Case(answer("snapup", "FilesMissed"), State.Persisted, None),
    Case(answer("snapup", "MismatchedSubmission"), State.Persisted, ABORT),
    Case(answer("snapup", "Rejected"), State.Persisted, ABORT),
    Case(answer("snapup", "Rejected", INVALID), State.Persisted, ABORT),
    Case(answer("snapup", "Rejected", EXPIRED), State.Persisted, ABORT),
]


def order(built: Plant, fault: dict[str, Any]) -> int:
    """Order a fault as ``sealflow devnet fault`` does."""
    wanted: Fault = FAULT.validate_python(fault)
    return order_fault(built.devnet.config, wanted, time.time)


def record(built: Plant, number: int) -> FaultRecord:
    """Return what the books say of a fault."""
    return next(record for record in built.observer.faults() if record.number == number)


def contents(built: Plant, sector: SectorId) -> dict[str, int]:
    """Return how many contents of each kind of message have reached the chain."""
    found: dict[str, set[str]] = {}
    for message in built.observer.messages(sector):
        found.setdefault(message.kind, set()).add(message.digest)
    return {kind: len(digests) for kind, digests in found.items()}


def direct(built: Plant, **changed: str) -> Plant:
    """Let the worker ask the embedded manager itself, not the tests' proxy; and change settings of its file."""
    text = built.file.read_text().replace(built.proxy.address, built.devnet.address)
    for name, value in changed.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in text.splitlines()]
        text = "\n".join(lines)
    built.file.write_text(text)
    return built


async def plays(built: Plant, number: int, case: Case, fault: int) -> None:
    """See what a fault of the sealer's comes to."""
    if case.level is ABORT:
        with pytest.raises(WorkflowFailureError) as ended:
            await built.finished(number)
        assert case.state in str(ended.value.cause)
        assert "said the fault" in str(ended.value.cause)
        return
    if case.level is PERMANENT:
        await stands(built, number, case)
        await built.sector(number).signal("resume")
        await built.until(lambda: len(record(built, fault).uses) > 1, "the fault to happen again")
        await stands(built, number, case)
        assert clear_faults(built.devnet.config.data, [fault], time.time) == [fault]
        await built.sector(number).signal("resume")
    summary = await built.finished(number)
    again = [stay.state for stay in summary.stays].count(case.state)
    assert again == (2 if case.level is None else 1), "what is done again is done by itself"
    assert contents(built, built.id(number)) == {"precommit": 1, "proof": 1}


async def stands(built: Plant, number: int, case: Case) -> None:
    """See that a sector is parked where the fault met it."""
    status = await built.parked(number)
    assert status.failure is not None
    assert (status.state, status.failure.level) == (case.state, case.level)
    assert "said the fault" in status.failure.text


async def test_sealing(temporal: Client, tmp_path: Path) -> None:
    """Parked sectors finish when the fault is cleared and they are resumed; aborted ones make room for the next."""
    count, aborts = len(SEALING), sum(case.level is ABORT for case in SEALING)
    async with plant(temporal, tmp_path, sectors=count + aborts, threads=count) as built:
        direct(built)
        order(built, {"kind": "lost", "method": "ReportAborted"})
        faults = [
            order(
                built, {**case.fault, "sector": str(built.id(number)), "times": None if case.level is PERMANENT else 1}
            )
            for number, case in enumerate(SEALING, 1)
        ]
        async with working(built):
            cases = enumerate(zip(SEALING, faults, strict=True), 1)
            await together((case.name, plays(built, number, case, fault)) for number, (case, fault) in cases)
            for number in range(count + 1, count + aborts + 1):
                await built.finished(number)
            ends = [row.ended for row in built.observer.sectors()]
            assert (ends.count("finalized"), ends.count("aborted")) == (count, aborts)
            assert {one.state for one in built.observer.faults()} == {"used up", "cleared"}


async def test_upgrading(temporal: Client, tmp_path: Path) -> None:
    """An aborted upgrade leaves the sector as it was, and its next one finishes; missed files are stored again."""
    count = len(UPGRADING)
    async with plant(temporal, tmp_path, sectors=count, threads=count, sealing="max_deals = 1") as built:
        direct(built)
        async with working(built):
            for number in range(1, count + 1):
                await built.finished(number)
        built.plan("snapup")
        for number, case in enumerate(UPGRADING, 1):
            built.deal(b"what a client wants to have back %d" % number)
            order(built, {**case.fault, "sector": str(built.id(number))})
        async with working(built):
            await built.until(lambda: upgraded(built) == count, "all upgrades to end")
            for number, case in enumerate(UPGRADING, 1):
                sector = built.id(number)
                tasks = [one for one in built.observer.upgrades() if one.sector == str(sector)]
                assert [one.ended for one in tasks] == ["aborted"] * (case.level is ABORT) + ["finalized"], case.name
                assert ("said the fault" in (tasks[0].end_reason or "")) is (case.level is ABORT), case.name
                assert contents(built, sector) == {"precommit": 1, "proof": 1, "snapup": 1}
                stays = (await built.finished(number)).stays
                assert [stay.state for stay in stays].count(case.state) == (2 if case.level is None else 1), case.name


def upgraded(built: Plant) -> int:
    """Return how many upgrades have finished."""
    return sum(one.ended == "finalized" for one in built.observer.upgrades())


# Answers that are lost, late, or not given


LOST_IN_SEALING = (
    "AllocateSector", "AcquireDeals", "AssignTicket", "SubmitPreCommit", "StoreReserveSpace", "SubmitPersistedEx",
    "SubmitProof", "ReportState", "ReportFinalized",
)  # fmt: skip
LOST_IN_UPGRADING = (
    "AllocateSanpUpSector", "StoreReserveSpace", "SubmitSnapUpProof", "ReportState", "ReportFinalized",
)  # fmt: skip


def lost(methods: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return faults that lose an answer of each method, and of what goes to the chain two in a row."""
    chain = ("SubmitPreCommit", "SubmitProof", "SubmitSnapUpProof")
    return [{"kind": "lost", "method": method, "times": 2 if method in chain else 1} for method in methods]


async def test_lost_answers_of_sealing(temporal: Client, tmp_path: Path) -> None:
    """By the configuration's faults: no number is burnt, no deal taken twice, nothing sent twice, nothing failed."""
    faults, deals = lost(LOST_IN_SEALING), "enable_deals = true\nmax_deals = 1"
    async with plant(temporal, tmp_path, sealing=deals, faults=faults) as built:
        for content in (b"one", b"two"):
            built.deal(content)
        direct(built)
        async with working(built):
            summary = await built.finished()
            assert {stay.tries for stay in summary.stays} == {1}
            assert contents(built, built.id()) == {"precommit": 1, "proof": 1}
            assert len(built.observer.messages(built.id())) == 2
            await built.until(lambda: ended(built) == ["finalized"], "the manager to know of the end")
            assert [deal.sector for deal in built.observer.deals()] == [str(built.id()), None]
            assert [one.state for one in built.observer.faults()] == ["used up"] * len(faults)


async def test_lost_answers_of_upgrading(temporal: Client, tmp_path: Path) -> None:
    """One upgrade, one submission, nothing failed."""
    async with upgradable(temporal, tmp_path) as built:
        direct(built)
        for fault in lost(LOST_IN_UPGRADING):
            order(built, fault)
        async with working(built):
            summary = await built.finished()
            assert {stay.tries for stay in summary.stays} == {1}
            await built.until(lambda: upgraded(built) == 1, "the manager to know of the end")
            assert len(built.observer.upgrades()) == 1
            assert contents(built, built.id()) == {"precommit": 1, "proof": 1, "snapup": 1}
            assert [one.state for one in built.observer.faults()] == ["used up"] * len(LOST_IN_UPGRADING)


def ended(built: Plant) -> list[str | None]:
    """Return how the sectors ended."""
    return [row.ended for row in built.observer.sectors()]


async def test_a_slow_submission_reaches_the_chain_once(temporal: Client, tmp_path: Path) -> None:
    """A call that takes longer than the worker's first patience is made again; the chain has one message of it."""
    async with plant(temporal, tmp_path) as built:
        direct(built)
        number = order(built, {"kind": "slow", "seconds": 3.5, "method": "SubmitPreCommit"})
        order(built, {"kind": "slow", "seconds": 0.02, "times": None})
        async with working(built):
            summary = await built.finished()
            assert {stay.tries for stay in summary.stays} == {1}
            assert len(record(built, number).uses) == 1
            assert [message.kind for message in built.observer.messages(built.id())] == ["precommit", "proof"]


async def test_a_manager_that_is_down_is_waited_for(temporal: Client, tmp_path: Path) -> None:
    """Also by the step that fetches a piece's data from it; nothing fails and no try is used up."""
    deals = "enable_deals = true"
    async with plant(temporal, tmp_path, sealing=deals) as built:
        built.deal(b"what a client wants to have back")
        direct(built)
        slow = order(built, {"kind": "slow", "seconds": 1, "method": "AcquireDeals"})
        async with working(built):
            await built.until(lambda: record(built, slow).uses, "the deals to be asked for")
            down = order(built, {"kind": "down", "seconds": 2})
            summary = await built.finished()
            assert any(use.method.startswith("/piecestore/") for use in record(built, down).uses)
            assert {stay.tries for stay in summary.stays} == {1}
            assert record(built, down).state == "over"


# Reorganisations


@asynccontextmanager
async def slow_c1(client: Client, folder: Path) -> AsyncIterator[Plant]:
    """Run a sector whose seed comes after a second, and whose C1 takes one."""
    async with plant(client, folder, seed_delay=20) as built:
        direct(built, max_retries="50")
        built.simulate(c1={"seconds": 1, "times": 1})
        async with working(built):
            yield built


async def test_a_precommit_taken_back_before_its_seed_is_waited_for(temporal: Client, tmp_path: Path) -> None:
    """The sector finishes by itself, with the seed that the pre-commit has when it has landed again."""
    async with slow_c1(temporal, tmp_path) as built:
        await built.until(lambda: "PersistanceSubmitted" in built.reported(), "the wait for the seed")
        (before,) = built.observer.messages(built.id())
        order(built, {"kind": "reorg", "message": "precommit"})
        await built.finished()
        (precommit, proof) = built.observer.messages(built.id())
        assert before.seed_epoch is not None
        assert precommit.seed_epoch is not None
        assert before.seed_epoch < precommit.seed_epoch <= proof.sent_epoch
        assert built.reported().count("SeedAssigned") == 1


async def test_a_precommit_taken_back_after_its_seed_needs_an_operator(temporal: Client, tmp_path: Path) -> None:
    """The proof for the old seed is refused, and the sector parked, which says what to do; done, it finishes."""
    async with slow_c1(temporal, tmp_path) as built:
        await built.until(lambda: "SeedAssigned" in built.reported(), "C1 to run")
        number = order(built, {"kind": "reorg", "message": "precommit", "sector": str(built.id())})
        status = await built.parked()
        assert status.failure is not None
        assert (status.state, status.failure.level) == (State.C2Done, PERMANENT)
        assert "invalid proof" in status.failure.text
        assert "resume to PersistanceSubmitted for its new seed" in status.failure.text
        assert record(built, number).state == "used up"
        resumed = await sealflow(built, "sector", "resume", str(built.id()), "--state", "PersistanceSubmitted")
        assert resumed.status == 0, resumed.err
        summary = await built.finished()
        assert [stay.state for stay in summary.stays].count(State.SeedAssigned) == 2
        assert contents(built, built.id()) == {"precommit": 1, "proof": 1}


async def test_a_proof_taken_back_lands_again(temporal: Client, tmp_path: Path) -> None:
    """The sector waits for it, and sends nothing again."""
    async with plant(temporal, tmp_path) as built:
        direct(built)
        number = order(built, {"kind": "reorg", "message": "proof", "times": 2})
        async with working(built):
            summary = await built.finished()
            assert [stay.state for stay in summary.stays].count(State.C2Done) == 1
            assert record(built, number).state == "used up"
            assert [message.kind for message in built.observer.messages(built.id())] == ["precommit", "proof"]
