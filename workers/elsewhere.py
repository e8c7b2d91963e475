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
    whether it still is. Two that start in one moment do not find each other here, but in
    ``ensure_still_only_machine``. Raises StartError, which names the other.
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
        await _unless(stop, LOOK_AGAIN)
        seen = await others(client, name)
        last = max(seen.values(), default=latest)
        if last > first + poll:
            raise _runs_elsewhere(name, max(seen, key=lambda each: seen[each]))
        if last > latest:
            latest, silent_since = last, loop.time()


async def ensure_still_only_machine(client: Client, name: str, stop: asyncio.Event, poll: float = POLL) -> None:
    """Find out whether another machine has started in the same moment, unless ``stop`` is set before.

    Within ``poll`` seconds it must ask for work again. The machine whose host's name comes first stays. Raises
    StartError on another, which says where that one is.
    """
    before = await _patiently(client, name, stop)
    await _unless(stop, poll)
    seen = await _patiently(client, name, stop)
    for other in sorted(each for each in seen if seen[each] > before.get(each, 0.0)):
        if _host(other) < socket.gethostname():
            raise _runs_elsewhere(name, other)
        log.error("worker %s has been started on another machine too (process %s), which has to end now", name, other)


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
        if _host(poller.identity) != socket.gethostname()
    }


async def _patiently(client: Client, queue: str, stop: asyncio.Event) -> Mapping[str, float]:
    """Return the ``others`` as soon as Temporal tells them: that it is away ends no worker that runs."""
    while not stop.is_set():
        try:
            return await others(client, queue)
        except StartError as away:
            log.warning("%s", away)
        await _unless(stop, LOOK_AGAIN)
    return {}


async def _unless(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _host(identity: str) -> str:
    return identity.rpartition("@")[2]


def _runs_elsewhere(name: str, other: str) -> StartError:
    return StartError(
        f"worker {name} runs on another machine (process {other}): end it there, or give this one another [worker] name"
    )
