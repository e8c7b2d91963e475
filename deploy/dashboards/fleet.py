"""The fleet: how many sectors are where, how quick they are, what holds them up."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards.board import Group, board, window
from deploy.dashboards.expressions import MEDIAN, MOST, agreed, counted, happened, mean, quantile
from deploy.dashboards.panels import HALF, Levels, Query, bars, lines, number
from sealing.metrics.definitions import PARKING_LEVELS, PAUSED_LEVELS

TEXT = "All sectors of the fleet: where they are, where their time goes, what stands still and why."
SOON = 'sealflow_ticket_left_seconds_bucket{le="10800.0"}'
OVER = 'sealflow_ticket_left_seconds_bucket{le="0.0"}'
PARKED = f'sealflow_sectors_parked{{level=~"{"|".join(PARKING_LEVELS)}"}}'
PAUSED = f'sealflow_sectors_parked{{level=~"{"|".join(PAUSED_LEVELS)}"}}'
FINISHED = 'sealflow_transitions_total{event="Finish"}'

NOW = Group(
    "Now",
    (
        number(
            "Under way",
            "Sectors whose task runs, parked ones too. Counted in Temporal: every worker tells the same number.",
            "short",
            Query("sum(max by (fleet, flow, state) (sealflow_sectors))"),
        ),
        number(
            "Parked by a failure",
            "They stand still until somebody acts: sealflow sector list --where 'Parked = true' (paused ones too).",
            "short",
            Query(f"sum(max by (fleet, flow, level) ({PARKED}))"),
            levels=Levels(1, 5),
        ),
        number(
            "Paused",
            "Sectors that an operator has paused.",
            "short",
            Query(f"sum(max by (fleet, flow, level) ({PAUSED}))"),
        ),
        number(
            "Finished in a day",
            "Sectors that came to Finished in the last 24 hours, sealed or upgraded.",
            "short",
            Query("sum" + counted(FINISHED, over="1d")),
        ),
        number(
            "Tickets that end soon",
            "Sectors whose ticket is good for less than three hours and that are not pre-committed yet.",
            "short",
            Query(f"sum(max by (fleet) ({SOON})) - sum(max by (fleet) ({OVER}))"),
            levels=Levels(1, 3),
        ),
        number(
            "Workers away",
            "Workers whose metrics Prometheus could not read.",
            "short",
            Query('count(up{job="sealflow"} == 0) or vector(0)'),
            levels=Levels(1, 1),
        ),
    ),
)

WHERE = Group(
    "Where the sectors are",
    (
        lines(
            "Sectors by state",
            "Running tasks, parked ones too, by flow and state; states without a sector are left out.",
            "short",
            Query(agreed("sealflow_sectors", "flow, state") + " > 0", "{{flow}} {{state}}"),
            stacked=True,
        ),
        lines(
            "Sectors by flow",
            "Running tasks, parked ones too: sealer seals new sectors, snapup puts deals into finished ones.",
            "short",
            Query("sum by (flow) (max by (fleet, flow, state) (sealflow_sectors))", "{{flow}}"),
        ),
        lines(
            "Finished in an hour",
            "Sectors that came to Finished in the hour before each point; for a day's number see above.",
            "short",
            Query("sum by (flow) " + counted(FINISHED, over="1h"), "{{flow}}"),
        ),
    ),
)

TIME = Group(
    "Where the time goes",
    (
        bars(
            "Mean time in a state",
            "From entering a state to leaving it, with all waits and failures: where one sector's time goes.",
            "s",
            Query(mean("sealflow_state_seconds", "flow, state"), "{{flow}} {{state}}"),
            width=HALF,
        ),
        bars(
            "Share of a flow's time",
            "Of the time that a flow's sectors spent in states that they have left; each flow's bars make 100 %.",
            "percentunit",
            Query(
                "sort_desc(sum by (flow, state) (increase(sealflow_state_seconds_sum[$window]))"
                " / on (flow) group_left () sum by (flow) (increase(sealflow_state_seconds_sum[$window])))",
                "{{flow}} {{state}}",
            ),
            width=HALF,
        ),
        lines(
            "Stage runs, median",
            "Half of a stage's computations took less than this; waiting for their turn is not in it.",
            "s",
            Query(quantile(MEDIAN, "sealflow_stage_run_seconds", "stage"), "{{stage}}"),
            width=HALF,
        ),
        lines(
            "Stage runs, 95 %",
            "All but one of twenty of a stage's computations took less than this.",
            "s",
            Query(quantile(MOST, "sealflow_stage_run_seconds", "stage"), "{{stage}}"),
            width=HALF,
        ),
        lines(
            "Stage waits, median",
            "Half of a stage's jobs waited less than this for a slot, a processor or a lock of their machine.",
            "s",
            Query(quantile(MEDIAN, "sealflow_stage_wait_seconds", "stage"), "{{stage}}"),
            width=HALF,
        ),
        lines(
            "Stage waits, 95 %",
            "All but one of twenty of a stage's jobs waited less than this for their turn.",
            "s",
            Query(quantile(MOST, "sealflow_stage_wait_seconds", "stage"), "{{stage}}"),
            width=HALF,
        ),
    ),
)

FAILING = Group(
    "What stands still, and why",
    (
        lines(
            "Sectors that stand still",
            "By the level of the failure that parked them, and those that an operator has paused.",
            "short",
            Query(agreed(PARKED, "flow, level"), "{{flow}} {{level}}"),
            Query(f"sum by (flow) (max by (fleet, flow, level) ({PAUSED}))", "{{flow}} paused"),
            stacked=True,
        ),
        bars(
            "Failures by step and level",
            "Steps that failed. Temporary ones run again by themselves, Permanent and Critical ones park the sector.",
            "short",
            Query(happened("sealflow_failures_total", "flow, step, level"), "{{flow}} {{step}}: {{level}}"),
        ),
        bars(
            "Retries by step",
            "Failed steps that were run again: many of one step are a fault that has not parked anything yet.",
            "short",
            Query(happened("sealflow_retries_total", "flow, step"), "{{flow}} {{step}}"),
        ),
    ),
)


def _within(limit: str, name: str) -> Query:
    return Query(f'sum(max by (fleet) (sealflow_ticket_left_seconds_bucket{{le="{limit}"}}))', name)


CHAIN = Group(
    "Tickets and the chain",
    (
        bars(
            "Tickets by the time they are good for",
            "Sectors that are computed on a ticket and not pre-committed yet; each line includes those above it.",
            "short",
            _within("0.0", "expired"),
            _within("900.0", "up to 15 minutes"),
            _within("3600.0", "up to 1 hour"),
            _within("10800.0", "up to 3 hours"),
            _within("21600.0", "up to 6 hours"),
            _within("43200.0", "up to 12 hours"),
            _within("86400.0", "up to 1 day"),
            _within("+Inf", "any"),
        ),
        lines(
            "Waits for the chain, median",
            "For a pre-commit or a proof to land (check_precommit, check_proof), and for the seed (wait_seed).",
            "s",
            Query(quantile(MEDIAN, "sealflow_chain_wait_seconds", "step"), "{{step}}"),
        ),
        lines(
            "Waits for the chain, 95 %",
            "All but one of twenty waits of the kind took less than this.",
            "s",
            Query(quantile(MOST, "sealflow_chain_wait_seconds", "step"), "{{step}}"),
        ),
    ),
)

MANAGER = Group(
    "The manager",
    (
        lines(
            "Calls to the manager",
            "Calls a second by method, failed ones too; held are polls that the manager answers when there is news.",
            "reqps",
            Query("sum by (method) (rate(sealflow_rpc_seconds_count[$__rate_interval]))", "{{method}}"),
            Query("sum by (method) (rate(sealflow_rpc_held_total[$__rate_interval]))", "{{method}}, held"),
        ),
        lines(
            "Time of a call, 95 %",
            "All but one of twenty calls were answered, or given up, within this; they are given up after 30 s.",
            "s",
            Query(quantile(MOST, "sealflow_rpc_seconds", "method", over="$__rate_interval"), "{{method}}"),
            levels=Levels(5, 25),
        ),
        bars(
            "Calls that failed",
            "By method and kind. Outage: no answer, the call waits; the others are the manager's word.",
            "short",
            Query(happened("sealflow_rpc_errors_total", "method, kind"), "{{method}}: {{kind}}"),
        ),
    ),
)


def fleet() -> Dashboard:
    """Return the dashboard."""
    return board("fleet", TEXT, NOW, WHERE, TIME, FAILING, CHAIN, MANAGER, variables=(window(),))
