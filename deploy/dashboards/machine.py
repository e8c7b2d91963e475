"""One machine, or several: who runs, who waits for what, how full its disks are, how Temporal serves it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards.board import Group, board, instance, window
from deploy.dashboards.expressions import MOST, happened, quantile
from deploy.dashboards.panels import HALF, Levels, Query, bars, lines, rows

TEXT = "Machines: who runs, who waits and for what, locks, disks, and how quickly Temporal's queues are served."
HERE = 'instance=~"$instance"'
ROOM = Levels(0.1, 0.05, falling=True)

RUNNING = Group(
    "Who runs, who waits",
    (
        lines(
            "Jobs that run, by stage",
            "Jobs that run now; those of an earlier worker's life too.",
            "short",
            Query(f"sum by (instance, stage) (sealflow_stage_slots_used{{{HERE}}})", "{{instance}} {{stage}}"),
            stacked=True,
        ),
        bars(
            "Slots in use",
            "Of the jobs that [processors.limitation.concurrent] lets run at once, how many run. Full is no fault.",
            "percentunit",
            Query(
                f"sealflow_stage_slots_used{{{HERE}}} / sealflow_stage_slots_total{{{HERE}}}", "{{instance}} {{stage}}"
            ),
        ),
        bars(
            "Slots in all",
            "How many jobs of a stage may run at once, where there is a limit.",
            "short",
            Query(f"sealflow_stage_slots_total{{{HERE}}}", "{{instance}} {{stage}}"),
        ),
        lines(
            "Who waits for what",
            "Jobs that wait for their turn: for a slot, a processor, a lock, or the next staggered start.",
            "short",
            Query(
                f"sum by (instance, stage, lack) (sealflow_stage_waiting{{{HERE}}})",
                "{{instance}} {{stage}} for a {{lack}}",
            ),
            stacked=True,
        ),
        lines(
            "Longest wait",
            "How long the job has waited that came first, by stage. sealflow worker -c FILE list names it.",
            "s",
            Query(f"sealflow_stage_longest_wait_seconds{{{HERE}}}", "{{instance}} {{stage}}"),
        ),
        lines(
            "Longest run",
            "How long the job has run that runs the longest, by stage. Compare with the fleet's usual times.",
            "s",
            Query(f"sealflow_stage_longest_run_seconds{{{HERE}}}", "{{instance}} {{stage}}"),
        ),
        lines(
            "Locks held",
            "Jobs that hold a lock of [processors.ext_locks].",
            "short",
            Query(f"sealflow_lock_held{{{HERE}}}", "{{instance}} {{lock}}"),
        ),
        lines(
            "Locks waited for",
            "Jobs that wait for a lock: many for long are a machine with too few of what it stands for.",
            "short",
            Query(f"sealflow_lock_waiting{{{HERE}}}", "{{instance}} {{lock}}"),
        ),
        bars(
            "Locks in all",
            "How many jobs may hold a lock at once.",
            "short",
            Query(f"sealflow_lock_total{{{HERE}}}", "{{instance}} {{lock}}"),
        ),
        bars(
            "How jobs came",
            "Started; restarted after they had died; attached to or adopted where they ran on without the worker; "
            "taken where they were found done.",
            "short",
            Query(happened(f"sealflow_jobs_total{{{HERE}}}", "stage, how"), "{{stage}} {{how}}"),
            width=HALF,
        ),
        lines(
            "Stage runs on this machine, 95 %",
            "All but one of twenty of a stage's computations here took less than this: a slow machine stands out.",
            "s",
            Query(
                quantile(MOST, "sealflow_stage_run_seconds", "instance, stage", where=HERE), "{{instance}} {{stage}}"
            ),
            width=HALF,
        ),
    ),
)


DISKS = Group(
    "Stores and locations",
    (
        bars(
            "Room in stores",
            "The part of a permanent store's disk that is free. A full store holds sectors, it parks none.",
            "percentunit",
            Query(
                f"sealflow_store_free_bytes{{{HERE}}} / sealflow_store_size_bytes{{{HERE}}}", "{{instance}} {{store}}"
            ),
            levels=ROOM,
        ),
        lines(
            "Bytes free in stores",
            "What is left for sectors' files.",
            "bytes",
            Query(f"sealflow_store_free_bytes{{{HERE}}}", "{{instance}} {{store}}"),
        ),
        lines(
            "Stores that are there",
            "With 1 the store is mounted and answers. With 0 its sectors wait.",
            "short",
            Query(f"sealflow_store_up{{{HERE}}}", "{{instance}} {{store}}"),
        ),
        bars(
            "Room in locations",
            "The part of a sealing thread's disk that is free. A sector that is computed takes most of it.",
            "percentunit",
            Query(
                f"sealflow_location_free_bytes{{{HERE}}} / sealflow_location_size_bytes{{{HERE}}}",
                "{{instance}} {{location}}",
            ),
            levels=ROOM,
        ),
        lines(
            "Bytes free in locations",
            "What is left for the sector that is computed there.",
            "bytes",
            Query(f"sealflow_location_free_bytes{{{HERE}}}", "{{instance}} {{location}}"),
        ),
        lines(
            "Locations that are there",
            "With 1 the thread's folder is there, with its disk, and answers. With 0 its sector waits.",
            "short",
            Query(f"sealflow_location_up{{{HERE}}}", "{{instance}} {{location}}"),
        ),
        lines(
            "Brought into stores",
            "Bytes a second, over all machines that are chosen.",
            "Bps",
            Query(f"sum by (store) (rate(sealflow_stored_bytes_total{{{HERE}}}[$__rate_interval]))", "{{store}}"),
        ),
    ),
)

QUEUES = Group(
    "Temporal's queues, and the worker",
    (
        lines(
            "Activities' wait in the queue, 95 %",
            "From an activity's scheduling to its start on a worker. Seconds are no cause for concern, minutes are.",
            "s",
            Query(
                quantile(
                    MOST,
                    "temporal_activity_schedule_to_start_latency_seconds",
                    "instance, task_queue",
                    over="$__rate_interval",
                    where=HERE,
                ),
                "{{instance}} {{task_queue}}",
            ),
            levels=Levels(10, 60),
        ),
        lines(
            "Workflow tasks' wait in the queue, 95 %",
            "From an event to the worker that looks what comes next. Above a second: few workers, or a slow server.",
            "s",
            Query(
                quantile(
                    MOST,
                    "temporal_workflow_task_schedule_to_start_latency_seconds",
                    "instance, task_queue",
                    over="$__rate_interval",
                    where=HERE,
                ),
                "{{instance}} {{task_queue}}",
            ),
            levels=Levels(1, 10),
        ),
        lines(
            "Since the manager answered",
            "How long ago the manager has last answered a call of the machine.",
            "s",
            Query(f"time() - (sealflow_manager_answered_timestamp_seconds{{{HERE}}} > 0)", "{{instance}}"),
            levels=Levels(120, 300),
        ),
        rows(
            "What runs",
            "Each worker with the versions of sealflow, Python and Temporal's SDK: after a deploy all should be alike.",
            "short",
            Query(f"sealflow_build_info{{{HERE}}}"),
        ),
    ),
)


def machine() -> Dashboard:
    """Return the dashboard."""
    return board("machine", TEXT, RUNNING, DISKS, QUEUES, variables=(instance(), window()))
