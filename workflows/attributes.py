"""The search attributes by which operators find sectors. Their types are fixed here, once for all."""

from datetime import datetime

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from sealing.flow.state import State
from sealing.sector import SectorInput

SECTOR_ID = SearchAttributeKey.for_keyword("SectorId")
MINER_ID = SearchAttributeKey.for_keyword("MinerId")
SEAL_STATE = SearchAttributeKey.for_keyword("SealState")
SEAL_WORKER = SearchAttributeKey.for_keyword("SealWorker")
FAILURE_LEVEL = SearchAttributeKey.for_keyword("FailureLevel")
PARKED = SearchAttributeKey.for_bool("Parked")
TICKET_EXPIRES = SearchAttributeKey.for_datetime("TicketExpires")
SEAL_ROUND = SearchAttributeKey.for_int("SealRound")
SEAL_SINCE = SearchAttributeKey.for_datetime("SealSince")

ALL = (SECTOR_ID, MINER_ID, SEAL_STATE, SEAL_WORKER, FAILURE_LEVEL, PARKED, TICKET_EXPIRES, SEAL_ROUND, SEAL_SINCE)


def first(task: SectorInput) -> TypedSearchAttributes:
    """Return what a task that starts is found by."""
    sector = task.sector
    return TypedSearchAttributes(
        [
            SearchAttributePair(SECTOR_ID, str(sector.id)),
            SearchAttributePair(MINER_ID, f"t0{sector.id.miner}"),
            SearchAttributePair(SEAL_WORKER, sector.home.worker),
            SearchAttributePair(SEAL_STATE, task.state.value),
            SearchAttributePair(PARKED, value=False),
        ]
    )


def show(state: State, level: str, sector_round: int, ticket_ends: datetime | None, *, parked: bool) -> None:
    """Set what the running task is found by. One event of its history, whose values a replay does not compare."""
    workflow.upsert_search_attributes(
        [
            SEAL_STATE.value_set(state.value),
            FAILURE_LEVEL.value_set(level) if level else FAILURE_LEVEL.value_unset(),
            PARKED.value_set(parked),
            SEAL_ROUND.value_set(sector_round),
            SEAL_SINCE.value_set(_since(state, parked=parked)),
            TICKET_EXPIRES.value_unset() if ticket_ends is None else TICKET_EXPIRES.value_set(ticket_ends),
        ]
    )


def _since(state: State, *, parked: bool) -> datetime:
    """Return since when the task is in a state, and stands still there or does not: what was shown before says it."""
    shown = workflow.info().typed_search_attributes
    is_same = shown.get(SEAL_STATE) == state.value and shown.get(PARKED) is parked
    return (shown.get(SEAL_SINCE) if is_same else None) or workflow.now()
