"""One machine of a worker's name in a fleet: else each would be given steps whose files the other has."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Mapping
from datetime import UTC

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from workers.connection import StartError

log = logging.getLogger(__name__)

ASKS_WITHIN = 75.0
"""Seconds in which a worker that lives has asked its queue again: the server keeps it waiting for one minute."""
LOOK_AGAIN = 2.0


async def ensure_only_machine(client: Client, name: str, stop: asyncio.Event, within: float = ASKS_WITHIN) -> None:
    """Wait until no other machine can be serving the queue of a worker's name, or until ``stop`` is set.

    A machine is known by its host's name. One that is gone is waited for, ``within`` seconds from when it was seen
    last. Two that start in one moment do not find each other. Raises StartError, which names the other.
    """
    seen = await _others(client, name)
    until = max(seen.values(), default=0.0) + within
    if until > time.time():
        log.warning(
            "another machine has just served worker %s: waiting for up to %.0f s until it is gone", name, within
        )
    while (left := min(until - time.time(), within)) > 0 and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), min(left, LOOK_AGAIN))
        for other, asked in (await _others(client, name)).items():
            if asked > seen.get(other, 0.0):
                raise StartError(
                    f"worker {name} runs on another machine (process {other}): end it there, or give this one another "
                    "[worker] name"
                )


async def _others(client: Client, queue: str) -> Mapping[str, float]:
    """Return who else has asked a queue for activities in the last minutes, and when, in seconds since 1970."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        described = await client.workflow_service.describe_task_queue(request)
    except RPCError as error:
        raise StartError(f"Temporal does not tell who serves the queue {queue}: {error}") from error
    return {
        poller.identity: poller.last_access_time.ToDatetime(UTC).timestamp()
        for poller in described.pollers
        if poller.identity.rpartition("@")[2] != socket.gethostname()
    }
