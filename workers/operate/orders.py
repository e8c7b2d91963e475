"""Sends a command to a sector's or a thread's workflow and returns what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from workers.encryption import legible
from workflows.commands import Answer, Kind

ANSWER_WITHIN = timedelta(seconds=20)
"""How long a worker may take to carry out a command. A resume with force asks the manager first."""
AT_ONCE = 50
"""Commands under way at once, where one goes to many sectors."""


Order = Mapping[str, object]
"""A command as the update ``control`` takes it: command, state, reason, force, now."""


class OrderError(Exception):
    """A command was not carried out; the text says why."""


def order(kind: Kind, **parts: object) -> Order:
    """Return an order with the parts that say something. The workflow judges them, for it knows its state."""
    return {"command": kind.value, **{name: part for name, part in parts.items() if part}}


async def give(client: Client, workflow_id: str, wanted: Order, within: timedelta = ANSWER_WITHIN) -> Answer:
    """Give an order and wait for the answer. Raises OrderError for one that was refused or got no answer."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        async with asyncio.timeout(within.total_seconds()):
            answer: Answer = await handle.execute_update("control", wanted, result_type=Answer)
    except WorkflowUpdateFailedError as failed:
        raise OrderError(failed.cause.message if isinstance(failed.cause, FailureError) else str(failed)) from failed
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as late:
        raise OrderError(
            f"no worker of the fleet has answered for {workflow_id} within {within.total_seconds():g} s: is one "
            "running? The command may still be carried out when one is"
        ) from late
    except RPCError as error:
        raise OrderError(explain(workflow_id, error)) from error
    return answer


async def give_all(
    client: Client, workflow_ids: Sequence[str], wanted: Order
) -> AsyncIterator[tuple[str, Answer | OrderError]]:
    """Give an order to many and yield what became of each, as it comes.

    Raises UnreadableError, before anything is ordered, where the answers could not be read.
    """
    for first in workflow_ids[:1]:
        # Of a server that does not answer the order itself tells.
        with contextlib.suppress(RPCError):
            await legible.check(client, first)
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(workflow_id: str) -> tuple[str, Answer | OrderError]:
        async with turn:
            try:
                return workflow_id, await give(client, workflow_id, wanted)
            except OrderError as error:
                return workflow_id, error

    for done in asyncio.as_completed([one(workflow_id) for workflow_id in workflow_ids]):
        yield await done


def explain(workflow_id: str, error: RPCError) -> str:
    """Return in words why Temporal did not take a call about a workflow."""
    if error.status is RPCStatusCode.NOT_FOUND:
        return f"there is no running task {workflow_id}: it has ended, or never began"
    return f"Temporal does not answer about {workflow_id}: {error}"
