"""Temporal: what our workers see of it, and what the server says of itself."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards.board import Group, board, window
from deploy.dashboards.expressions import MOST, counted, happened, quantile
from deploy.dashboards.panels import Levels, Query, bars, lines, number

TEXT = "Temporal's health: as the workers' SDK sees it, and as the server tells it."
NOW_RATE = "$__rate_interval"
WORKERS, SERVER = 'job="sealflow"', 'job="temporal"'
ANSWERED = 'job="temporal", operation!~".*Poll.*|GetTaskQueueUserData|ListNexusEndpoints|GetWorkflowExecutionHistory"'
"""Without calls that are meant to wait until there is something."""

MISFITS = f'temporal_workflow_task_execution_failed_total{{{WORKERS}, failure_reason="NonDeterminismError"}}'

WEDGED = Group(
    "Workflow tasks",
    (
        number(
            "Tasks that do not fit the code",
            "Workflow tasks in the last hour, over all workers, whose history the code does not fit. Such a workflow "
            "does not go on until the code is right; temporal workflow describe -w ID shows the failure.",
            "short",
            Query("sum" + counted(MISFITS, over="1h") + " or vector(0)"),
            levels=Levels(1, 4),
        ),
        number(
            "Workers away",
            "Workers whose metrics Prometheus could not read.",
            "short",
            Query(f"count(up{{{WORKERS}}} == 0) or vector(0)"),
            levels=Levels(1, 1),
        ),
        bars(
            "Failed workflow tasks by reason",
            "NonDeterminismError: the code does not fit the history. Single WorkflowErrors are no sign.",
            "short",
            Query(
                happened("temporal_workflow_task_execution_failed_total", "workflow_type, failure_reason"),
                "{{workflow_type}} {{failure_reason}}",
            ),
        ),
        lines(
            "Time of a workflow task, 95 %",
            "What the worker computes to see what comes next. From 10 seconds on the server gives it to another.",
            "s",
            Query(
                quantile(MOST, "temporal_workflow_task_execution_latency_seconds", "workflow_type", over=NOW_RATE),
                "{{workflow_type}}",
            ),
            levels=Levels(1, 5),
        ),
    ),
)

SDK = Group(
    "As the workers see it",
    (
        lines(
            "Calls to the server",
            "Calls a second by operation; those that wait for work are not among them.",
            "reqps",
            Query("sum by (operation) (rate(temporal_request_total[$__rate_interval]))", "{{operation}}"),
        ),
        lines(
            "Time of a call, 95 %",
            "By operation, as the worker sees it, the network included.",
            "s",
            Query(quantile(MOST, "temporal_request_latency_seconds", "operation", over=NOW_RATE), "{{operation}}"),
            levels=Levels(1, 5),
        ),
        bars(
            "Calls that failed",
            "By operation and status. NOT_FOUND of a query or a signal: the workflow has ended; of "
            "DescribeWorkflowExecution: a sector that ends has no upgrade, as it should be.",
            "short",
            Query(
                happened("temporal_request_failure_total", "operation, status_code"), "{{operation}} {{status_code}}"
            ),
        ),
        lines(
            "Workflow tasks' wait in the queue, 95 %",
            "From an event to the worker that looks what comes next.",
            "s",
            Query(
                quantile(MOST, "temporal_workflow_task_schedule_to_start_latency_seconds", "task_queue", over=NOW_RATE),
                "{{task_queue}}",
            ),
            levels=Levels(1, 10),
        ),
        lines(
            "Activities' wait in the queue, 95 %",
            "From an activity's scheduling to its start. A machine's queue that waits: its worker is away or full.",
            "s",
            Query(
                quantile(MOST, "temporal_activity_schedule_to_start_latency_seconds", "task_queue", over=NOW_RATE),
                "{{task_queue}}",
            ),
            levels=Levels(10, 60),
        ),
        lines(
            "Free slots",
            "What the workers could take yet, by kind and queue. At 0 work waits though a worker is there.",
            "short",
            Query(
                f"sum by (worker_type, task_queue) (temporal_worker_task_slots_available{{{WORKERS}}})",
                "{{worker_type}} {{task_queue}}",
            ),
        ),
        lines(
            "Workflows in the sticky cache",
            "Workflows that a worker holds ready. What is not among them is replayed from its history first.",
            "short",
            Query(f"sum by (instance) (temporal_sticky_cache_size{{{WORKERS}}})", "{{instance}}"),
        ),
        lines(
            "Time of a replay, 95 %",
            "How long a worker takes to bring a workflow back from its history.",
            "s",
            Query(
                quantile(MOST, "temporal_workflow_task_replay_latency_seconds", "workflow_type", over=NOW_RATE),
                "{{workflow_type}}",
            ),
        ),
        lines(
            "Pollers",
            "Calls that wait for work, by kind. None: the worker takes nothing.",
            "short",
            Query(
                f"sum by (instance, poller_type) (temporal_num_pollers{{{WORKERS}}})", "{{instance}} {{poller_type}}"
            ),
        ),
    ),
)

SERVER_OWN = Group(
    "As the server tells it",
    (
        lines(
            "Requests",
            "Requests a second that each of the server's services takes, from workers and from each other.",
            "reqps",
            Query("sum by (service_name) (rate(service_requests[$__rate_interval]))", "{{service_name}}"),
        ),
        lines(
            "Time of a request, 95 %",
            "By service, without calls that are meant to wait.",
            "s",
            Query(quantile(MOST, "service_latency", "service_name", over=NOW_RATE, where=ANSWERED), "{{service_name}}"),
            levels=Levels(0.5, 2),
        ),
        bars(
            "Errors of the server",
            "By service and type. NotFound and AlreadyStarted are answers; Unavailable and ResourceExhausted are not.",
            "short",
            Query(happened("service_error_with_type", "service_name, error_type"), "{{service_name}} {{error_type}}"),
        ),
        lines(
            "Time of a database call, 95 %",
            "By service. What the database takes everything waits for.",
            "s",
            Query(quantile(MOST, "persistence_latency", "service_name", over=NOW_RATE), "{{service_name}}"),
            levels=Levels(0.1, 0.5),
        ),
        lines(
            "Database calls",
            "Calls a second to the database, by service.",
            "reqps",
            Query("sum by (service_name) (rate(persistence_requests[$__rate_interval]))", "{{service_name}}"),
        ),
        bars(
            "Errors of the database",
            "By operation and type; NotFound is an answer.",
            "short",
            Query(happened("persistence_error_with_type", "operation, error_type"), "{{operation}} {{error_type}}"),
        ),
        lines(
            "Tasks that wait in queues",
            "By queue, without the server's own. Those of a machine that is away stay here.",
            "short",
            Query(
                "sum by (taskqueue, task_type)"
                ' (approximate_backlog_count{taskqueue!~"temporal_sys.*|default_worker_tq"})',
                "{{taskqueue}} {{task_type}}",
            ),
        ),
        lines(
            "Time until a task is done inside the server, 95 %",
            "Timers and transfers of the history service; seconds here are late timers and late starts.",
            "s",
            Query(quantile(MOST, "task_latency", "service_name", over=NOW_RATE), "{{service_name}}"),
            levels=Levels(1, 10),
        ),
        lines(
            "Memory",
            "Bytes that the server's process has in use, as its runtime counts them.",
            "bytes",
            Query("max by (instance) (memory_heapinuse)", "{{instance}}"),
        ),
    ),
)


def temporal() -> Dashboard:
    """Return the dashboard."""
    return board("temporal", TEXT, WEDGED, SDK, SERVER_OWN, variables=(window(),))
