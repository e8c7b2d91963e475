"""The two tables: the seed's rows to the letter, ours marked, and every kind of wrong table refused on import."""

from __future__ import annotations

from typing import Any

import pytest

from sealing.flow import events
from sealing.flow.events import AcquireDeals, Allocate, Event, Finish
from sealing.flow.registry import FLOWS, LATEST
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.flow.table import Flow, FlowError, Step
from sealing.sector import Sector

SEED_SEALER = """
Empty Allocate Allocated
Allocated AcquireDeals DealsAcquired
DealsAcquired AddPiece PieceAdded
PieceAdded BuildTreeD TreeDBuilt
TreeDBuilt AssignTicket TicketAssigned
TicketAssigned PC1 PC1Done
PC1Done PC2 PC2Done
PC2Done SubmitPC PCSubmitted
PCSubmitted ReSubmitPC PC2Done
PCSubmitted CheckPC PCLanded
PCLanded Persist Persisted
Persisted SubmitPersistance PersistanceSubmitted
PersistanceSubmitted AssignSeed SeedAssigned
SeedAssigned C1 C1Done
C1Done C2 C2Done
C2Done SubmitProof ProofSubmitted
ProofSubmitted ReSubmitProof C2Done
ProofSubmitted Finish Finished
"""

SEED_SNAPUP = """
Empty AllocatedSnapUpSector Allocated
Allocated AddPiece PieceAdded
PieceAdded BuildTreeD TreeDBuilt
TreeDBuilt SnapEncode SnapEncoded
SnapEncoded SnapProve SnapProved
SnapProved Persist Persisted
Persisted RePersist SnapProved
Persisted Finish Finished
"""

EDGES = [(flow, *edge) for flow in LATEST.values() for edge in flow.edges()]


def words(edge: tuple[State, type[Event], State]) -> str:
    """Return an edge as the seed writes it here."""
    return f"{edge[0]} {edge[1].__name__} {edge[2]}"


@pytest.mark.parametrize(("name", "seed"), [("sealer", SEED_SEALER), ("snapup", SEED_SNAPUP)])
def test_the_table_is_the_seeds_rows_in_its_order_and_those_marked_as_ours(name: str, seed: str) -> None:
    """Without the rows marked as ours, a flow is the seed's table, row for row."""
    flow = LATEST[name]
    assert [words(edge) for edge in flow.edges() if edge not in flow.added] == seed.strip().splitlines()


def test_what_is_ours_is_the_synthetic_proof_and_the_expired_ticket() -> None:
    """Five rows are ours, no more."""
    assert sorted(map(words, SEALER.added)) == [
        "PC1Done PC2NeedSyntheticProof SyntheticPoRepNeeded",
        "PC1Done TicketExpired TreeDBuilt",
        "PC2Done TicketExpired TreeDBuilt",
        "SyntheticPoRepNeeded SyntheticPoRep PC2Done",
        "TicketAssigned TicketExpired TreeDBuilt",
    ]
    assert LATEST["snapup"].added == ()


@pytest.mark.parametrize(("flow", "state", "event", "to"), EDGES, ids=lambda value: getattr(value, "name", None))
def test_an_event_sets_its_fields_and_a_way_back_clears_what_came_after(
    flow: Flow, state: State, event: type[Event], to: State, full_sector: Sector
) -> None:
    """Each edge: the sector gets the event's fields; going back, it loses what the state and later ones had set."""
    if state is flow.start:
        return
    came = event.model_construct(None, **{name: getattr(full_sector, name) for name in event.model_fields})
    after = full_sector.after(flow, state, came)
    for name in event.sets():
        assert getattr(after, name) == getattr(came, name)
    back = flow.is_back(state, to)
    for name in flow.cleared_at(to) - event.sets() if back else ():
        assert getattr(after, name) is None
    assert after.round == full_sector.round + (1 if back else 0)
    if to in flow.rows:
        assert not after.lacks(flow, to)


def test_going_back_keeps_what_the_chain_has_seen() -> None:
    """What was submitted survives every way back: it decides whether the next submission replaces it."""
    for state in SEALER.rows:
        assert not SEALER.cleared_at(state) & {"precommit_sent", "proof_sent", "precommit_failed", "proof_failed"}


def test_a_resume_to_tree_d_built_drops_the_ticket_and_one_to_ticket_assigned_keeps_it() -> None:
    """As the operators' guide says."""
    assert "ticket" in SEALER.cleared_at(State.TreeDBuilt)
    assert "ticket" not in SEALER.cleared_at(State.TicketAssigned)
    assert "pc1_output" in SEALER.cleared_at(State.TicketAssigned)


ROWS = dict(SEALER.rows)
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("which has no row", {"rows": {s: r for s, r in ROWS.items() if s is not State.PC1Done}}),
    ("never reached", {"rows": ROWS | {State.SnapProved: Step("x", {Finish: State.Finished})}}),
    ("leads nowhere", {"rows": ROWS | {State.C1Done: Step("c2", {})}}),
    ("has no activity", {"rows": ROWS | {State.C1Done: Step("", {events.C2: State.C2Done})}}),
    ("is terminal and has a row", {"rows": ROWS | {State.Finished: Step("x", {Finish: State.Finished})}}),
    ("sets nothing", {"rows": ROWS | {State.Allocated: Step("x", {Event: State.DealsAcquired})}}),
    ("not in the table", {"rows": ROWS, "added": ((State.PC1Done, AcquireDeals, State.PC2Done),)}),
    ("needs seed", {"rows": ROWS | {State.PC1Done: Step("pc2", ROWS[State.PC1Done].edges, needs=("seed",))}}),
    ("the start Empty has no row", {"rows": {s: r for s, r in ROWS.items() if s is not State.Empty}}),
]


@pytest.mark.parametrize(("why", "table"), WRONG, ids=[why for why, _ in WRONG])
def test_a_wrong_table_is_refused_when_it_is_made(why: str, table: dict[str, Any]) -> None:
    """Each kind of mistake is an error that names it, at import, before any sector runs on it."""
    with pytest.raises(FlowError, match=why):
        Flow(name="wrong", workflow="Wrong", version=1, **table)


def test_every_event_and_state_of_the_tables_is_used_and_every_flow_is_registered() -> None:
    """No event without a row, no state without a meaning."""
    used = {event for flow in FLOWS.values() for _, event, _ in flow.edges()}
    assert set(events.event_classes().values()) == used
    reached = {state for flow in FLOWS.values() for edge in flow.edges() for state in (edge[0], edge[2])}
    assert set(State) - reached == {State.Aborted}


def test_an_event_survives_the_wire_with_its_name() -> None:
    """Encoded and decoded, an event is the same; what is none is refused with its text."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only here

    wire: TypeAdapter[Event] = TypeAdapter(events.AnyEvent)
    event = events.PC2NeedSyntheticProof(comm_r="a" * 64, comm_d="b" * 64)
    assert wire.validate_json(wire.dump_json(event)) == event
    assert type(wire.validate_json(wire.dump_json(event))) is events.PC2NeedSyntheticProof
    for wrong in ('{"event": "Nothing"}', "[]", '{"comm_r": "aa"}', '{"event": "PC2", "comm_r": "zz"}'):
        with pytest.raises(ValidationError):
            wire.validate_json(wrong)


def test_allocate_leads_out_of_empty_in_the_sealer_only() -> None:
    """The two flows begin with events of their own."""
    assert Allocate in SEALER.rows[State.Empty].edges
    assert Allocate not in LATEST["snapup"].rows[State.Empty].edges
