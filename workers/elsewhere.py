"""One machine of a worker's name in a fleet: else each would be given steps whose files the other has."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping
from datetime import UTC

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from workers.connection import StartError

log = logging.getLogger(__name__)

POLL = 65.0
"""Seconds that the server keeps whoever asks a queue waiting, and a little more. It notes when one asks, and when it
has an answer: of a machine that is gone it notes nothing after that."""
LOOK_AGAIN = 2.0


async def ensure_only_machine(client: Client, name: str, stop: asyncio.Event, poll: float = POLL) -> None:
    """Wait until no other machine can be serving the queue of a worker's name, or until ``stop`` is set.

    A machine is known by its host's name. Where another was there in the last minutes, one or two times ``poll`` tell
    whether it still is. Two that start in one moment do not find each other. Raises StartError, which names the other.
    """
    seen = await others(client, name)
    if not seen:
        return
    log.warning(
        "another machine has served worker %s (%s): waiting for a minute or two until it is gone", name, ", ".join(seen)
    )
    loop = asyncio.get_running_loop()
    first = latest = max(seen.values())
    silent_since = loop.time()
    while loop.time() < silent_since + poll and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_AGAIN)
        seen = await others(client, name)
        last = max(seen.values(), default=latest)
        if last > first + poll:
            other = max(seen, key=lambda each: seen[each])
            raise StartError(
                f"worker {name} runs on another machine (process {other}): end it there, or give this one another "
                "[worker] name"
            )
        if last > latest:
            latest, silent_since = last, loop.time()


async def others(client: Client, queue: str) -> Mapping[str, float]:
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
