"""The wire's models: exactly the reference's JSON, and back into the same domain values."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from sealing.failures import Failure, Level
from sealing.jsonrpc.method import Method
from sealing.manager import methods, wire
from sealing.manager.client import StateReport
from sealing.values import Deal, SectorId, Seed, Ticket

WireModel = TypeVar("WireModel", bound=wire.Wire)
U64 = st.integers(0, 2**64 - 1)
IDS = st.builds(SectorId, miner=U64, number=U64)
HEX32 = st.binary(min_size=32, max_size=32).map(bytes.hex)
EPOCHS = st.integers(0, 2**63 - 1)
TICKETS = st.builds(Ticket, ticket=HEX32, epoch=EPOCHS)
SEEDS = st.builds(Seed, seed=HEX32, epoch=EPOCHS)
DEALS = st.builds(
    Deal,
    piece_cid=st.text(min_size=1, max_size=80),
    size=st.integers(7, 36).map(lambda power: 2**power),
    payload_size=U64,
    deal_id=U64,
    allocation_id=U64,
).filter(lambda deal: deal.deal_id != 0 or deal.allocation_id != 0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ALL = [method for method in vars(methods).values() if isinstance(method, Method)]


def test_the_precommit_looks_as_in_the_reference() -> None:
    """CommR is 32 integers, the ticket base64, and names are in PascalCase, as the real manager wants them."""
    sector = wire.AllocatedSector(id=wire.Id(miner=10000, number=1), proof_type=5)
    content = wire.PreCommit(comm_r="e8" * 32, comm_d="fc" * 32, ticket=wire.SealTicket(ticket="00" * 32, epoch=0))
    assert methods.SUBMIT_PRECOMMIT.dump_params([sector, content, False]) == [
        {"ID": {"Miner": 10000, "Number": 1}, "ProofType": 5},
        {"CommR": [232] * 32, "CommD": [252] * 32, "Ticket": {"Ticket": "A" * 43 + "=", "Epoch": 0}},
        False,
    ]


def test_a_report_looks_as_in_the_reference() -> None:
    """A report carries the event's name, and a failure by level and description."""
    report = StateReport(
        worker="w", location="/l", prev="TreeDBuilt", next="TicketAssigned", event="AssignTicket",
        failure=Failure(level=Level.Permanent, text="why"),
    )  # fmt: skip
    assert methods.REPORT_STATE.dump_params([wire.Id(miner=1, number=2), report.wire()])[1] == {
        "Worker": {"Instance": "w", "Location": "/l"},
        "StateChange": {"Prev": "TreeDBuilt", "Next": "TicketAssigned", "Event": "AssignTicket"},
        "Failure": {"Level": "Permanent", "Desc": "why"},
    }


@pytest.mark.parametrize(
    ("method", "raw", "expected"),
    [
        (methods.ALLOCATE_SECTOR, None, None),
        (
            methods.ALLOCATE_SECTOR,
            {"ID": {"Miner": 10000, "Number": 1, "Extra": 1}, "ProofType": 5, "More": {}},
            wire.AllocatedSector(id=wire.Id(miner=10000, number=1), proof_type=5),
        ),
        (methods.ACQUIRE_DEALS, None, None),
        (methods.ACQUIRE_DEALS, [], ()),
        (methods.SUBMIT_PROOF, {"Res": 1, "Desc": None}, wire.Submitted(res=wire.SubmitRes.Accepted)),
        (methods.POLL_PROOF, {"State": 7}, wire.Polled(state=wire.OnChain.ShouldAbort)),
        (
            methods.WAIT_SEED,
            {"ShouldWait": True, "Delay": 4680, "Seed": None},
            wire.SeedWait(should_wait=True, delay=4680),
        ),
        (methods.WAIT_SEED, {}, wire.SeedWait()),
        (methods.REPORT_STATE, {"Id": None, "Finalized": False, "AbortReason": None}, wire.Reported()),
        (methods.RESERVE_SPACE, {"Name": "s", "Path": "/p", "Meta": None}, wire.StoreInfo(name="s", path="/p")),
        (methods.WORKER_PING, None, None),
    ],
)
def test_optional_fields_may_be_null_or_missing_and_others_are_ignored(
    method: Method[Any], raw: object, expected: object
) -> None:
    """What the real manager leaves out, sets to null or adds changes nothing."""
    assert method.load_result(raw) == expected


@pytest.mark.parametrize(
    ("method", "raw", "says"),
    [
        (methods.SUBMIT_PROOF, {"Res": 9}, "result.Res"),
        (methods.SUBMIT_PROOF, {"Res": "1"}, "result.Res"),
        (methods.SUBMIT_PROOF, {"Res": True}, "result.Res"),
        (methods.SUBMIT_PROOF, {"Res": 1.0}, "result.Res"),
        (methods.SUBMIT_PROOF, {"Desc": "x"}, "result.Res: Field required"),
        (methods.SUBMIT_PROOF, None, "result"),
        (methods.POLL_PROOF, {"State": 0}, "result.State"),
        (methods.POLL_PROOF, [], "result"),
        (methods.ALLOCATE_SECTOR, {"ID": {"Miner": -1, "Number": 1}, "ProofType": 5}, "result.ID.Miner"),
        (methods.ALLOCATE_SECTOR, {"ID": {"Miner": 1, "Number": 2**64}, "ProofType": 5}, "result.ID.Number"),
        (methods.ALLOCATE_SECTOR, {"ID": {"Miner": 1, "Number": 1}, "ProofType": 17}, "non-interactive"),
        (methods.ASSIGN_TICKET, {"Ticket": "AAAA", "Epoch": 1}, "base64 of 32 bytes, got 3 bytes"),
        (methods.ASSIGN_TICKET, {"Ticket": "A" * 43 + "=", "Epoch": -1}, "result.Epoch"),
        (methods.ASSIGN_TICKET, {"Ticket": "00" * 32, "Epoch": 1}, "result.Ticket"),
        (methods.ASSIGN_TICKET, {"Ticket": [0] * 32, "Epoch": 1}, "result.Ticket"),
        (methods.SUBMIT_PERSISTED, "true", "result"),
        (methods.SUBMIT_PERSISTED, None, "result"),
        (methods.ACQUIRE_DEALS, [{"Piece": {"Size": 129}, "DealInfo": {}}], "result[0].Piece.Size"),
        (methods.WAIT_SEED, {"ShouldWait": True, "Delay": -5}, "result.Delay"),
    ],
)
def test_what_is_out_of_range_is_refused_by_field_and_value(method: Method[Any], raw: object, says: str) -> None:
    """A wrong type, id, enum or size is an error that names the field and shows the value, in one short line."""
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        method.load_result(raw)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("ints", [[0] * 31, [0] * 33, [256] * 32, [-1] * 32, [True] * 32, [0.0] * 32, "00" * 32, None])
def test_a_commitment_is_exactly_32_bytes(ints: object) -> None:
    """No other length, range or type passes for a commitment."""
    content = {"CommR": ints, "CommD": [0] * 32, "Ticket": {"Ticket": "A" * 43 + "=", "Epoch": 0}}
    with pytest.raises(ValueError, match=r"params\[1\]\.CommR"):
        methods.SUBMIT_PRECOMMIT.load_params([{"ID": {"Miner": 1, "Number": 1}, "ProofType": 5}, content, False])


@given(IDS, TICKETS, SEEDS, HEX32)
def test_values_come_back_as_they_went(sector: SectorId, ticket: Ticket, seed: Seed, commitment: str) -> None:
    """Ids, tickets, seeds and commitments survive the way over the wire."""
    assert _again(wire.Id.of(sector)).value() == sector
    assert _again(wire.SealTicket.of(ticket)).value() == ticket
    assert _again(wire.SealSeed.of(seed)).value() == seed
    content = wire.PreCommit(comm_r=commitment, comm_d=commitment, ticket=wire.SealTicket.of(ticket))
    assert _again(content) == content


@given(DEALS)
def test_deals_come_back_as_they_went(deal: Deal) -> None:
    """A deal survives the way over the wire."""
    assert _again(wire.DealPiece.of(deal)).value() == deal


@given(st.sampled_from([128, 2048]), U64, U64)
def test_a_filler_has_neither_id(size: int, deal_id: int, allocation_id: int) -> None:
    """A piece whose id that counts is 0 is a filler, whatever its other id says, and needs no CID."""
    for info in (
        {"DealID": deal_id, "AllocationID": 0, "IsBuiltinMarket": False},
        {"DealID": 0, "AllocationID": allocation_id, "IsBuiltinMarket": True},
    ):
        raw = [{"Piece": {"Size": size, "PieceCID": None}, "DealInfo": info}]
        (piece,) = methods.ACQUIRE_DEALS.load_result(raw) or ()
        assert piece.value() == Deal(piece_cid="", size=size)


def test_a_deal_without_a_cid_is_refused() -> None:
    """Data that cannot be named cannot be sealed."""
    (piece,) = methods.ACQUIRE_DEALS.load_result([{"Piece": {"Size": 128}, "DealInfo": {"AllocationID": 7}}]) or ()
    with pytest.raises(ValueError, match="allocation 7 has no PieceCID"):
        piece.value()


@given(st.sampled_from(ALL), JSON)
def test_any_json_is_a_result_or_a_value_error(method: Method[Any], raw: object) -> None:
    """Whatever a manager answers, it is either taken or refused by a ValueError."""
    with contextlib.suppress(ValueError):
        method.load_result(raw)


def test_our_own_mistakes_are_refused_too() -> None:
    """A commitment that is not 64 hex digits, or a proof that is not base64, never gets on the wire."""
    with pytest.raises(ValidationError):
        wire.SealTicket(ticket="xyz", epoch=1)
    with pytest.raises(ValidationError):
        wire.SealProofBytes(proof="A")


def _again(model: WireModel) -> WireModel:
    return type(model).model_validate_json(to_json(json.loads(model.model_dump_json())), strict=True)
