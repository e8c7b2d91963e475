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

from activities import beats
from activities.tracing import Attempt, attempted
from sealing.failures import LeveledFailure, LookFirst, Outage, Permanent, Wait, describe
from sealing.flow.events import Event
from sealing.sector import Outcome
from sealing.tracing import Tracing

OUTAGE = "Outage"
WAIT = "Wait"


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

    def __init__(self, tracing: Tracing | None = None) -> None:
        """Take where the spans of the activities go, if anywhere."""
        self._tracing = tracing

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Put ours in front."""
        return _StepInbound(next, self._tracing)


class _StepInbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, tracing: Tracing | None) -> None:
        super().__init__(following)
        self._tracing = tracing

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - the SDK's signature
        record = Spent()
        token = _spent.set(record)
        with attempted(input.args[0] if input.args else None, self._tracing) as attempt:
            beating = asyncio.create_task(_beat(record, attempt))
            try:
                with translated(attempt.span):
                    result = attempt.result = await self.next.execute_activity(input)
            except BaseException:
                _last_beat(record, attempt)  # of one that has ended well there is no next
                raise
            finally:
                beating.cancel()
                _spent.reset(token)
        if isinstance(result, Event):
            return Outcome(event=result, wait_seconds=record.wait_seconds, run_seconds=record.run_seconds)
        return result


async def _beat(record: Spent, attempt: Attempt) -> None:
    pause = beats.pause(activity.info())
    if pause is None:
        return
    if not beats.from_start(activity.info()):
        await asyncio.sleep(pause)
    while True:
        activity.heartbeat(record.progress, *attempt.life())
        await asyncio.sleep(pause)


def _last_beat(record: Spent, attempt: Attempt) -> None:
    """Let the next attempt know that this one has come to its end, if that is looked at."""
    if (life := attempt.life(ended=True)) and beats.from_start(activity.info()):
        activity.heartbeat(record.progress, *life)


@contextmanager
def translated(span: str = "") -> Iterator[None]:
    """Translate what a step raises. An exception that nobody foresaw is Permanent: never an endless retry.

    The text has the chain of causes already; as causes they would weigh on the history, one stack trace each. ``span``
    goes with a failure, so that whoever tries again can link to it.
    """
    details = [span] if span else []
    try:
        yield
    except ApplicationError:
        raise
    except LeveledFailure as failure:
        raise ApplicationError(describe(failure), *details, type=failure.level.value, non_retryable=True) from None
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
        raise ApplicationError(describe(error), *details, type=Permanent.level.value, non_retryable=True) from error
