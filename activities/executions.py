"""What Temporal says of a sector's task, by its workflow's id. That it knows of none never means that it has ended.

Nor has a task ended of whose last run, which its state file names, Temporal knows nothing: its database was lost, or is
an old one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHistoryEventFilterType,
)
from temporalio.service import RPCError, RPCStatusCode

from sealing.failures import Outage
from sealing.flow.snapup import SNAPUP
from sealing.sector import task_id
from sealing.stores.layout import SectorFiles
from sealing.stores.statefile import StateFileError, read_state
from sealing.values import SectorId

log = logging.getLogger(__name__)

REPLACED = "replaced by what the state file says"
"""Why ``sealflow sector adopt --replace`` terminates a run: its task begins again at once, it has not ended."""


@dataclass(frozen=True)
class Found:
    """A task's last run, if Temporal has one; ``lost`` says why it stands for nothing, or that there is none."""

    run: WorkflowExecutionDescription | None
    lost: str = ""

    @property
    def running(self) -> WorkflowExecutionDescription | None:
        """The run, if it is open."""
        return self.run if self.run and self.run.status is WorkflowExecutionStatus.RUNNING else None


async def find(client: Client, workflow_id: str, files: SectorFiles) -> Found:
    """Look for the task whose files these are. Raises Outage where Temporal does not answer."""
    run = await _described(client, workflow_id)
    if run is None:
        return Found(None, f"Temporal does not know {workflow_id}")
    if run.status is WorkflowExecutionStatus.RUNNING:
        return Found(run)
    if (wrote := _last_run(files)) and wrote != run.run_id and await _described(client, workflow_id, wrote) is None:
        return Found(run, f"Temporal does not know the last run of {workflow_id}")
    if run.status is WorkflowExecutionStatus.TERMINATED:
        end = await last_event(client, run)
        if end.workflow_execution_terminated_event_attributes.reason == REPLACED:
            return Found(run, f"{workflow_id} was stopped, and has yet to begin again")
    return Found(run)


async def is_followed(client: Client, sector: SectorId, run_id: str | None) -> bool:
    """Tell whether a sector has gone on to an upgrade, or to another one than this run: that began after this end.

    So the manager has taken this one's end, whatever became of its answer, and takes what is said now for the later
    task's. Raises Outage where Temporal does not answer.
    """
    upgrade = await _described(client, task_id(SNAPUP.name, sector))
    return upgrade is not None and upgrade.run_id != run_id


async def last_run(client: Client, workflow_id: str) -> str:
    """Return a task's last run, or nothing where Temporal has none. Raises Outage where Temporal does not answer."""
    run = await _described(client, workflow_id)
    return run.run_id if run else ""


async def is_last_and_finished(client: Client, workflow_id: str, run_id: str) -> bool:
    """Tell whether a run is its task's last and has finished. Raises Outage where Temporal does not answer."""
    run = await _described(client, workflow_id)
    return run is not None and run.run_id == run_id and run.status is WorkflowExecutionStatus.COMPLETED


async def last_event(client: Client, closed: WorkflowExecutionDescription) -> HistoryEvent:
    """Return the event that closed a run. Raises Outage where Temporal does not answer."""
    handle = client.get_workflow_handle(closed.id, run_id=closed.run_id)
    try:
        events = handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT)
        (event,) = [found async for found in events]
    except RPCError as error:
        raise Outage(f"Temporal does not answer about {closed.id}: {error}") from error
    return event


async def _described(
    client: Client, workflow_id: str, run_id: str | None = None
) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND or (run_id and error.status is RPCStatusCode.INVALID_ARGUMENT):
            return None  # also of a run whose id is none
        raise Outage(f"Temporal does not answer about {workflow_id}: {error}") from error


def _last_run(files: SectorFiles) -> str | None:
    try:
        kept = read_state(files)
    except StateFileError as error:
        log.warning("%s", error)
        return None
    return kept.run if kept else None
