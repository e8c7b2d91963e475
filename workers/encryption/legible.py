"""Whether this program has the keys of what Temporal keeps, as it is told by how workflows began.

Looked at before a worker starts and before an order is given: later a missing key would fail task after task, or would
encrypt an order with a key that no worker has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

LOOKED_AT = 50
"""Workflows of a fleet that are looked at."""


async def check_fleet(client: Client, task_queue: str) -> int:
    """Look at workflows of a fleet that run, the last begun first, and return how many are encrypted.

    Raises UnreadableError for one that no key here opens, and RPCError.
    """
    query = f"ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}'"
    found = [each async for each in client.list_workflows(query, limit=LOOKED_AT)]
    return sum(await asyncio.gather(*(check(client, each.id, each.run_id) for each in found)))


async def check(client: Client, workflow_id: str, run_id: str | None = None) -> bool:
    """Read what a workflow began with, and return whether that is encrypted; one that is gone tells nothing.

    Raises UnreadableError and RPCError.
    """
    codec = client.data_converter.payload_codec
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    with _gone_is_nothing():
        async for event in handle.fetch_history_events(page_size=1):
            given = event.workflow_execution_started_event_attributes.input.payloads
            return codec is not None and await codec.decode(given) != list(given)
    return False


@contextlib.contextmanager
def _gone_is_nothing() -> Iterator[None]:
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
