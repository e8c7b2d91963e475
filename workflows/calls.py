"""How a workflow runs a step's activity: where, with which limits, and what its end means.

The server's retries are without limit, because they only ever stand for what the infrastructure did: a worker that
died, a manager that is away. What the business counts comes back as a failure with a level, never retried there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from sealing.failures import Failure, Level, LookFirst, Wait, bounded
from sealing.flow.table import Place, Step
from sealing.sector import Outcome, Task
from sealing.values import Parcel

T = TypeVar("T")

QUICK_TIMEOUT = timedelta(seconds=70)
"""A manager call has 30 s of its own, and some steps make two."""
LOCAL_TIMEOUT = timedelta(seconds=3)
"""How long a local activity may take, both tries: while one runs no command reaches the workflow. A call that takes
longer is made again as a regular activity, which a pause ends at once."""
STOP_WITHIN = timedelta(minutes=1)
"""How long a pause waits for the machine to stop a job: it must not hold the commands after it."""
HEARTBEAT = timedelta(seconds=20)
"""After so long a call whose worker died is made by another, where no setting of a task says otherwise."""
FOREVER = timedelta(days=365)
"""Temporal wants a limit on each try; stages have theirs from configuration, enforced where they run."""

LOCAL_TRIES = RetryPolicy(
    maximum_attempts=2, initial_interval=timedelta(milliseconds=200), non_retryable_error_types=[Wait.__name__]
)
"""A wait is none of a local activity's: it goes on at once as a regular one, whose waiting is the server's."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=30)
"""Pauses between two calls to a manager that is away: they double from the first one on."""
SOON = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5))
"""For what runs on a machine: a worker that returns finds its jobs within this and the heartbeat's timeout."""


def patience(longest: timedelta = LONGEST_PAUSE) -> RetryPolicy:
    """Return how often a manager that is away is called, so that work goes on within ``longest`` of its return.

    That is half a minute at most, and a second at least: all sectors do it. No history depends on it.
    """
    return RetryPolicy(initial_interval=FIRST_PAUSE, maximum_interval=max(FIRST_PAUSE, min(longest, LONGEST_PAUSE)))


def nobody(_: str) -> None:
    """Tell nobody that the manager is away."""


async def local(activity: str, argument: object, result_type: type[T], summary: str) -> T:
    """Call the manager as a local activity: one event. Two tries, for a manager that answers."""
    return cast(
        "T",
        await workflow.execute_local_activity(
            activity,
            argument,
            result_type=result_type,
            schedule_to_close_timeout=LOCAL_TIMEOUT,
            retry_policy=LOCAL_TRIES,
            summary=summary,
        ),
    )


async def patient(  # noqa: PLR0913 - an activity call has that many parts
    activity: str,
    argument: object,
    result_type: type[T],
    summary: str,
    *,
    heartbeat: timedelta = HEARTBEAT,
    longest: timedelta = LONGEST_PAUSE,
) -> T:
    """Call the manager for as long as it takes, on any worker of the fleet. Waiting writes no events."""
    return cast(
        "T",
        await workflow.execute_activity(
            activity,
            argument,
            result_type=result_type,
            start_to_close_timeout=QUICK_TIMEOUT,
            heartbeat_timeout=heartbeat,
            retry_policy=patience(longest),
            summary=summary,
        ),
    )


async def quick(  # noqa: PLR0913 - an activity call has that many parts
    activity: str,
    argument: object,
    result_type: type[T],
    summary: str,
    *,
    on_away: Callable[[str], None] = nobody,
    heartbeat: timedelta = HEARTBEAT,
    longest: timedelta = LONGEST_PAUSE,
) -> T:
    """Call the manager locally; if it is away, or has nothing yet, patiently, and tell ``on_away`` why."""
    try:
        return await local(activity, argument, result_type, summary)
    except FailureError as error:
        if _is_answer(error) or is_cancelled_exception(error):
            raise
        on_away(bounded(str(error.cause or error), 300))
    return await patient(activity, argument, result_type, summary, heartbeat=heartbeat, longest=longest)


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
            retry_policy=SOON,
            summary=summary,
        ),
    )


async def at_home(activity: str, task: Task, result_type: type[T], summary: str, within: timedelta | None = None) -> T:
    """Run an activity on the sector's machine."""
    queue, heartbeat = task.sector.home.worker, task.settings.heartbeat_timeout
    return await on_machine(
        activity, task, result_type, queue=queue, heartbeat=heartbeat, summary=summary, within=within
    )


async def precommit_on_chain(task: Task) -> str:
    """Return in words where a pre-commit of the sector stands on chain, or nothing if there is none."""
    return await local("precommit_on_chain", task, str, f"{task.state}: is a pre-commit on chain?")


async def stop_jobs(task: Task) -> None:
    """End the sector's jobs on its machine, if that answers in time."""
    await at_home("stop_jobs", task, bool, f"{task.state}: stop the job", STOP_WITHIN)


async def run_step(step: Step, task: Task, on_away: Callable[[str], None]) -> Outcome:
    """Run a step's activity where it belongs. Raises FailureError.

    A step that must not run before the replica has been looked at says so: what to do is read from its recorded word,
    never from the run, for what was recorded before a reset must replay as it was.
    """
    try:
        return await _run(step, task, on_away)
    except FailureError as error:
        cause = _cause(error)
        if not isinstance(cause, ApplicationError) or cause.type != LookFirst.__name__:
            raise
    await at_home("check_replica", task, bool, f"{task.state}: look for the replica after a reset")
    return await _run(step, task.model_copy(update={"looked": True}), on_away)


async def _run(step: Step, task: Task, on_away: Callable[[str], None]) -> Outcome:
    activity, heartbeat, longest = step.activity, task.settings.heartbeat_timeout, task.settings.rpc_polling_interval
    summary = f"{task.state}: {activity}"
    match step.where:
        case Place.Machine:
            return await at_home(activity, task, Outcome, summary)
        case Place.Pool:
            return await _shared(step, task, summary)
        case Place.Chain:
            return await patient(activity, task, Outcome, summary, heartbeat=heartbeat, longest=longest)
        case Place.Manager:
            return await quick(activity, task, Outcome, summary, on_away=on_away, heartbeat=heartbeat, longest=longest)
        case Place.Thread:
            raise ApplicationError(f"{activity} is run by a sealing thread, not by a sector", non_retryable=True)


async def _shared(step: Step, task: Task, summary: str) -> Outcome:
    """Run a step on whichever machine of its shared queue is free, with its input packed; without one, at home."""
    queue = task.settings.pools.get(step.activity)
    if queue is None or step.packs is None:
        return await at_home(step.activity, task, Outcome, summary)
    parcel = await at_home(step.packs, task, Parcel, f"{task.state}: {step.packs}")
    given = task.model_copy(update={"parcel": parcel})
    heartbeat = task.settings.heartbeat_timeout
    return await on_machine(step.activity, given, Outcome, queue=queue, heartbeat=heartbeat, summary=summary)


def failure_of(error: FailureError) -> Failure | None:
    """Return the failure with its level that an activity ended in, or None for what the infrastructure did."""
    cause = _cause(error)
    if isinstance(cause, ApplicationError) and cause.type is not None and cause.type in Level.__members__:
        return Failure(level=Level(cause.type), text=bounded(cause.message), span=_span(cause))
    return None


def _span(failure: ApplicationError) -> str:
    """Return the span that the failure's attempt left, if it left one."""
    details = failure.details
    return details[0] if details and isinstance(details[0], str) else ""


def _cause(error: FailureError) -> BaseException | None:
    """Return what the activity raised: the SDK wraps that of a regular one, and hands on that of a local one."""
    return error.cause if isinstance(error, ActivityError) else error


def _is_answer(error: FailureError) -> bool:
    """Tell whether an activity has come to its end, in whatever; else what it needs is away."""
    cause = _cause(error)
    return isinstance(cause, ApplicationError) and cause.non_retryable
