"""The namespace of the sectors, with their search attributes, ready to be used."""

from __future__ import annotations

import asyncio

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from deploy.stack.part import LOOK_EVERY, READY_WITHIN, StackError
from workers.connection import ATTRIBUTE_TYPES, ensure_attributes
from workers.devserver import RETENTION


async def make_namespace(client: Client) -> None:
    """Make a client's namespace, if it is not there, and wait until sectors are found in it. Raises StackError."""
    await _register(client)
    try:
        async with asyncio.timeout(READY_WITHIN):
            await _until_found(client)
            await ensure_attributes(client)
            await _until_found(client, " AND ".join(f"{name} IS NULL" for name in ATTRIBUTE_TYPES))
    except TimeoutError:
        address = client.service_client.config.target_host
        raise StackError(f"Temporal at {address} does not know its namespace after {READY_WITHIN:.0f} s") from None


async def _register(client: Client) -> None:
    ttl = Duration()
    ttl.FromTimedelta(RETENTION)
    request = RegisterNamespaceRequest(namespace=client.namespace, workflow_execution_retention_period=ttl)
    try:
        await client.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _until_found(client: Client, query: str = "") -> None:
    """Wait until the services have learnt what was made, which they look for every few seconds."""
    while not await _finds(client, query):  # noqa: ASYNC110 - the server tells of it by no event
        await asyncio.sleep(LOOK_EVERY)


async def _finds(client: Client, query: str) -> bool:
    try:
        await client.count_workflows(query)
    except RPCError:
        return False
    return True
