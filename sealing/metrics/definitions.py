"""Every metric of ours: name, kind, labels, and what it says. Nothing heavy is imported: workflows count by these too.

No label grows with the number of sectors: a sector's own story is in its history and its trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FLOW, STATE, STEP, STAGE, EVENT, LEVEL = "flow", "state", "step", "stage", "event", "level"
LOCK, LACK, STORE, LOCATION, FLEET = "lock", "lack", "store", "location", "fleet"
METHOD, KIND, HOW, WORKER = "method", "kind", "how", "worker"

LABELS: Mapping[str, str] = {
    FLOW: "`sealer` or `snapup`",
    STATE: "a state of the flow",
    STEP: "the activity that a state runs, such as `submit_precommit`",
    STAGE: "a computation, such as `pc1`",
    EVENT: "an event of the flow, or `Resume` or `Abort` where an operator moved the sector",
    LEVEL: "a failure's level: `Temporary`, `Permanent`, `Critical`, `Abort`; `none` where there is no failure",
    LOCK: "a lock of `[processors.ext_locks]`",
    LACK: "what a job waits for: `slot`, `processor`, `lock`, or `start`, the next staggered one",
    STORE: "a permanent store's name",
    LOCATION: "the folder of a sealing thread",
    FLEET: "the fleet's task queue",
    METHOD: "a method of the manager, such as `Venus.AssignTicket`",
    KIND: "how a call failed: `Outage` (no answer), `Temporary`, `Permanent`, `Abort`",
    HOW: "`started`, `restarted` after it had died or failed, `attached` to where it ran, `adopted` from an earlier "
    "worker's life, `taken` where it was found done",
    WORKER: "the worker's name",
    "version": "of sealflow",
    "python": "of Python",
    "temporalio": "of Temporal's SDK",
}
"""What each label's values are."""

MINUTE, HOUR = 60.0, 3600.0
LONG = (
    *(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    *(MINUTE * count for count in (1, 2, 5, 10, 20, 30, 45)),
    *(HOUR * count for count in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12)),
)
"""Seconds from a 2 KiB sector's stage to PC1 of a large one."""
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds of a call, which is given up after 30."""
TICKET_LEFT = (0.0, HOUR / 4, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
"""Seconds that a ticket may be good for yet."""


PARKING_LEVELS = ("Permanent", "Critical")
"""The levels of failures that park a sector."""
NO_FAILURE = "none"
PAUSED_LEVELS = (NO_FAILURE, "Temporary")
"""What one has that stands still and was not parked: an operator paused it, maybe in the middle of its tries."""


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    counter = "counter"
    gauge = "gauge"
    histogram = "histogram"
    gaugehistogram = "gaugehistogram"
    """A histogram of what is so now: its buckets go down as well."""


SUFFIXES: Mapping[Kind, tuple[str, ...]] = {
    Kind.counter: ("_total",),
    Kind.gauge: ("",),
    Kind.histogram: ("_bucket", "_sum", "_count"),
    Kind.gaugehistogram: ("_bucket", "_gsum", "_gcount"),
}


@dataclass(frozen=True)
class Definition:
    """One metric. ``name`` is without what a kind's series have behind it; ``buckets`` are a histogram's."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus keeps it."""
        return tuple(self.name + suffix for suffix in SUFFIXES[self.kind])


BUILD_INFO = Definition(
    "sealflow_build_info",
    Kind.gauge,
    "1, with what runs here as labels.",
    (WORKER, "version", "python", "temporalio"),
)

# Counted where the work is done, since the worker's start.

STAGE_RUN = Definition(
    "sealflow_stage_run_seconds", Kind.histogram, "How long a stage computed that has ended well.", (STAGE,), LONG
)
STAGE_WAIT = Definition(
    "sealflow_stage_wait_seconds",
    Kind.histogram,
    "How long a stage waited for its turn on the machine before it was started.",
    (STAGE,),
    LONG,
)
JOBS = Definition(
    "sealflow_jobs", Kind.counter, "How attempts at a stage came to the process that computes it.", (STAGE, HOW)
)
STORED = Definition("sealflow_stored_bytes", Kind.counter, "Bytes brought into a permanent store.", (STORE,))
RPC_SECONDS = Definition(
    "sealflow_rpc_seconds", Kind.histogram, "How long a call to the manager took, failed ones too.", (METHOD,), QUICK
)
RPC_HELD = Definition(
    "sealflow_rpc_held",
    Kind.counter,
    "Polls of a manager that holds them until there is something to tell. How long these took is not in "
    "`sealflow_rpc_seconds`.",
    (METHOD,),
)
RPC_ERRORS = Definition("sealflow_rpc_errors", Kind.counter, "Calls to the manager that failed.", (METHOD, KIND))
MANAGER_ANSWERED = Definition(
    "sealflow_manager_answered_timestamp_seconds",
    Kind.gauge,
    "When the manager last answered a call of this worker, in seconds since 1970; 0: not yet.",
)

# Counted by workflows, on whichever worker of the fleet runs them, and never twice for a replay.

STATE_SECONDS = Definition(
    "sealflow_state_seconds",
    Kind.histogram,
    "How long a sector was in a state that it has left, waits of every kind included.",
    (FLEET, FLOW, STATE),
    LONG,
)
TRANSITIONS = Definition(
    "sealflow_transitions", Kind.counter, "Sectors that went on, by what led on.", (FLEET, FLOW, EVENT)
)
CHAIN_WAIT = Definition(
    "sealflow_chain_wait_seconds",
    Kind.histogram,
    "How long a sector waited for the chain: for a message to land, or for the seed.",
    (FLEET, STEP),
    LONG,
)
FAILURES = Definition("sealflow_failures", Kind.counter, "Steps that failed.", (FLEET, FLOW, STEP, LEVEL))
RETRIES = Definition(
    "sealflow_retries",
    Kind.counter,
    "Failed steps that were run again after `recover_interval`.",
    (FLEET, FLOW, STEP),
)

# How it stands on this machine, looked at when Prometheus asks, or some seconds before.

SLOTS_USED = Definition("sealflow_stage_slots_used", Kind.gauge, "Jobs of a stage that run on this machine.", (STAGE,))
SLOTS_TOTAL = Definition(
    "sealflow_stage_slots_total", Kind.gauge, "Jobs of a stage that may run at once, where there is a limit.", (STAGE,)
)
LONGEST_RUN = Definition(
    "sealflow_stage_longest_run_seconds",
    Kind.gauge,
    "How long the job has run that runs the longest; 0 where none runs.",
    (STAGE,),
)
WAITING = Definition(
    "sealflow_stage_waiting", Kind.gauge, "Jobs that wait for their turn, by what they lack.", (STAGE, LACK)
)
LONGEST_WAIT = Definition(
    "sealflow_stage_longest_wait_seconds",
    Kind.gauge,
    "How long the job has waited that came first; 0 where none waits.",
    (STAGE,),
)
LOCK_HELD = Definition("sealflow_lock_held", Kind.gauge, "Jobs that hold a lock.", (LOCK,))
LOCK_TOTAL = Definition(
    "sealflow_lock_total", Kind.gauge, "Jobs that may hold a lock at once, where there is a limit.", (LOCK,)
)
LOCK_WAITING = Definition("sealflow_lock_waiting", Kind.gauge, "Jobs that wait for a lock.", (LOCK,))
STORE_UP = Definition("sealflow_store_up", Kind.gauge, "1 where a permanent store is there and answers.", (STORE,))
STORE_FREE = Definition(
    "sealflow_store_free_bytes", Kind.gauge, "Room that is left in a store that takes new files.", (STORE,)
)
STORE_SIZE = Definition("sealflow_store_size_bytes", Kind.gauge, "How large the disk of such a store is.", (STORE,))
LOCATION_UP = Definition(
    "sealflow_location_up", Kind.gauge, "1 where a thread's folder is there, with its disk, and answers.", (LOCATION,)
)
LOCATION_FREE = Definition(
    "sealflow_location_free_bytes", Kind.gauge, "Room that is left on a thread's disk.", (LOCATION,)
)
LOCATION_SIZE = Definition("sealflow_location_size_bytes", Kind.gauge, "How large a thread's disk is.", (LOCATION,))

# How it stands in the fleet, from Temporal: every worker tells the same, also after a restart.

SECTORS = Definition("sealflow_sectors", Kind.gauge, "Sectors whose task runs, by state.", (FLEET, FLOW, STATE))
PARKED = Definition(
    "sealflow_sectors_parked",
    Kind.gauge,
    "Sectors that stand still, by the level of the failure; `none`, or `Temporary` between two tries: an operator has "
    "paused them.",
    (FLEET, FLOW, LEVEL),
)
LONGEST_STAY = Definition(
    "sealflow_state_longest_stay_seconds",
    Kind.gauge,
    "How long the sector has been in a state that has been there the longest, or runs again there; 0 where none does. "
    "Who stands still is left out.",
    (FLEET, FLOW, STATE),
)
MOST_ROUNDS = Definition(
    "sealflow_most_rounds",
    Kind.gauge,
    "How often the sector has gone back to an earlier state that has done so most often; who stands still is left out.",
    (FLEET, FLOW),
)
TICKETS = Definition(
    "sealflow_ticket_left_seconds",
    Kind.gaugehistogram,
    "For how long the tickets are good that sectors are computed on and that are not on chain yet.",
    (FLEET,),
    TICKET_LEFT,
)
COUNTED = Definition(
    "sealflow_fleet_counted_timestamp_seconds",
    Kind.gauge,
    "When the fleet's sectors were last counted, in seconds since 1970; 0: not yet. After 5 min they are told no more.",
    (FLEET,),
)

BY_WORKFLOWS = (STATE_SECONDS, TRANSITIONS, CHAIN_WAIT, FAILURES, RETRIES)
"""What workflows count, by the SDK's meter."""
BY_METER = ("namespace", "task_queue", "workflow_type")
"""The labels that the SDK's meter gives to these, besides their own."""

GROUPS: Mapping[str, tuple[Definition, ...]] = {
    "What runs": (BUILD_INFO,),
    "Counted on each machine": (
        *(STAGE_RUN, STAGE_WAIT, JOBS, STORED),
        *(RPC_SECONDS, RPC_HELD, RPC_ERRORS, MANAGER_ANSWERED),
    ),
    "Counted by the sectors' workflows": BY_WORKFLOWS,
    "How it stands on a machine": (
        *(SLOTS_USED, SLOTS_TOTAL, LONGEST_RUN, WAITING, LONGEST_WAIT),
        *(LOCK_HELD, LOCK_TOTAL, LOCK_WAITING),
        *(STORE_UP, STORE_FREE, STORE_SIZE, LOCATION_UP, LOCATION_FREE, LOCATION_SIZE),
    ),
    "How it stands in the fleet": (SECTORS, PARKED, LONGEST_STAY, MOST_ROUNDS, TICKETS, COUNTED),
}

DEFINITIONS: tuple[Definition, ...] = tuple(each for group in GROUPS.values() for each in group)
