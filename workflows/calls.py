"""How a workflow runs a step's activity: where, with which limits, and what its end means.

The server's retries are without limit, because they only ever stand for what the infrastructure did: a worker that
died, a manager that is away. What the business counts comes back as a failure with a level, never retried there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar, cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from sealing.failures import Failure, Level, bounded
from sealing.flow.table import Place
from sealing.sector import Outcome, Task

T = TypeVar("T")

QUICK_TIMEOUT = timedelta(seconds=70)
"""A manager call has 30 s of its own, and some steps make two."""
FOREVER = timedelta(days=365)
"""Temporal wants a limit on each try; stages have theirs from configuration, enforced where they run."""

LOCAL_TRIES = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=200))
PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


async def local(activity: str, argument: object, result_type: type[T], summary: str) -> T:
    """Call the manager as a local activity: one event. Two tries, for a manager that answers."""
    return cast(
        "T",
        await workflow.execute_local_activity(
            activity,
            argument,
            result_type=result_type,
            start_to_close_timeout=QUICK_TIMEOUT,
            retry_policy=LOCAL_TRIES,
            summary=summary,
        ),
    )


async def patient(activity: str, argument: object, result_type: type[T], summary: str) -> T:
    """Call the manager for as long as it takes, on any worker of the fleet. Waiting writes no events."""
    return cast(
        "T",
        await workflow.execute_activity(
            activity,
            argument,
            result_type=result_type,
            start_to_close_timeout=QUICK_TIMEOUT,
            retry_policy=PATIENT,
            summary=summary,
        ),
    )


async def quick(activity: str, argument: object, result_type: type[T], summary: str) -> T:
    """Call the manager locally; if it is away, patiently."""
    try:
        return await local(activity, argument, result_type, summary)
    except FailureError as error:
        if failure_of(error) is not None or is_cancelled_exception(error):
            raise
    return await patient(activity, argument, result_type, summary)


async def on_machine(  # noqa: PLR0913 - an activity call has that many parts
    activity: str,
    argument: object,
    result_type: type[T],
    *,
    queue: str,
    heartbeat: timedelta,
    summary: str,
    within: timedelta | None = None,
) -> T:
    """Run an activity on the machine that has the files; ``within`` bounds it all, for a machine that may be gone."""
    return cast(
        "T",
        await workflow.execute_activity(
            activity,
            argument,
            task_queue=queue,
            result_type=result_type,
            start_to_close_timeout=FOREVER,
            schedule_to_close_timeout=within,
            heartbeat_timeout=heartbeat,
            retry_policy=PATIENT,
            summary=summary,
        ),
    )


async def run_step(activity: str, where: Place, task: Task) -> Outcome:
    """Run a step's activity where it belongs. Raises FailureError."""
    summary = f"{task.state}: {activity}"
    match where:
        case Place.Machine:
            home, heartbeat = task.sector.home.worker, task.settings.heartbeat_timeout
            done = await on_machine(activity, task, Outcome, queue=home, heartbeat=heartbeat, summary=summary)
        case Place.Chain:
            done = await patient(activity, task, Outcome, summary)
        case Place.Manager:
            done = await quick(activity, task, Outcome, summary)
        case Place.Thread:
            raise ApplicationError(f"{activity} is run by a sealing thread, not by a sector", non_retryable=True)
    return done


def failure_of(error: FailureError) -> Failure | None:
    """Return the failure with its level that an activity ended in, or None for what the infrastructure did.

    The SDK wraps what a regular activity raised in an ActivityError, and hands on what a local one raised as it is.
    """
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.type is not None and cause.type in Level.__members__:
        return Failure(level=Level(cause.type), text=bounded(cause.message))
    return None
