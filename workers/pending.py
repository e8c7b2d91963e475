"""What Temporal tells of a workflow and of its activities under way, in plain where it was encrypted."""

from __future__ import annotations

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.converter import DataConverter

from activities.revealing import revealed


async def described(client: Client, workflow_id: str, run_id: str | None = None) -> WorkflowExecutionDescription:
    """Return a workflow's description. Raises RPCError, and UnreadableError for what no key here opens."""
    found = await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    for pending in found.raw_description.pending_activities:
        await _reveal(client.data_converter, pending)
    return found


async def _reveal(converter: DataConverter, pending: PendingActivityInfo) -> None:
    if converter.payload_codec is not None:
        await converter.payload_codec.decode_wrapper(pending.heartbeat_details)
    if pending.HasField("last_failure"):
        pending.last_failure.message = await revealed(converter, pending.last_failure)
