"""Around every activity: heartbeats, measured time, and the one translation of failures into Temporal's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sealing.failures import LeveledFailure, LookFirst, Outage, Permanent, Wait, describe
from sealing.flow.events import Event
from sealing.sector import Outcome

OUTAGE = "Outage"
WAIT = "Wait"
BEAT_AT_MOST = 5.0
"""Seconds between heartbeats at most: a cancellation is noticed with the next one."""
BEATS_PER_TIMEOUT = 4


@dataclass
class Spent:
    """What a step has spent so far on its machine, in seconds, and what it is at: the heartbeat's details."""

    wait_seconds: float = 0.0
    run_seconds: float = 0.0
    progress: dict[str, Any] = field(default_factory=dict)


_spent: ContextVar[Spent] = ContextVar("spent")


def spent() -> Spent:
    """Return the record of the running activity."""
    return _spent.get()


class StepInterceptor(Interceptor):
    """Wraps every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Put ours in front."""
        return _StepInbound(next)


class _StepInbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - the SDK's signature
        record = Spent()
        token = _spent.set(record)
        beats = asyncio.create_task(_beat(record))
        try:
            with translated():
                result = await self.next.execute_activity(input)
        finally:
            beats.cancel()
            _spent.reset(token)
        if isinstance(result, Event):
            return Outcome(event=result, wait_seconds=record.wait_seconds, run_seconds=record.run_seconds)
        return result


async def _beat(record: Spent) -> None:
    info = activity.info()
    if info.is_local or info.heartbeat_timeout is None:
        return
    pause = min(info.heartbeat_timeout.total_seconds() / BEATS_PER_TIMEOUT, BEAT_AT_MOST)
    while True:
        activity.heartbeat(record.progress)
        await asyncio.sleep(pause)


@contextmanager
def translated() -> Iterator[None]:
    """Translate what a step raises. An exception that nobody foresaw is Permanent: never an endless retry.

    The text has the chain of causes already; as causes they would weigh on the history, one stack trace each.
    """
    try:
        yield
    except ApplicationError:
        raise
    except LeveledFailure as failure:
        raise ApplicationError(describe(failure), type=failure.level.value, non_retryable=True) from None
    except LookFirst as look:
        raise ApplicationError(str(look), type=LookFirst.__name__, non_retryable=True) from None
    except Outage as outage:
        raise ApplicationError(describe(outage), type=OUTAGE) from None
    except Wait as wait:
        raise ApplicationError(
            str(wait),
            type=WAIT,
            next_retry_delay=timedelta(seconds=wait.delay),
            category=ApplicationErrorCategory.BENIGN,
        ) from None
    except Exception as error:
        raise ApplicationError(describe(error), type=Permanent.level.value, non_retryable=True) from error
