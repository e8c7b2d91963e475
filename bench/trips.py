"""What a history was to the server: its events, and each time that the server handed something out."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory


@dataclass(frozen=True)
class Trips:
    """What one sector is to the server: tasks of the workflow, activities by queue, local activities, events, bytes."""

    tasks: int
    activities: int
    local: int
    events: int
    bytes: int
    where: str

    @property
    def calls(self) -> int:
        """Steps and reports, whichever way they are made."""
        return self.activities + self.local

    @property
    def share(self) -> float:
        """Round trips against those of one activity for each step and each report, a task before each and one after."""
        return (self.tasks + self.activities) / (2 * self.calls + 1)


def trips_of(history: WorkflowHistory, fleet: str) -> Trips:
    """Count a history's round trips."""
    kinds = [event.event_type for event in history.events]
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    local = sum(
        event.marker_recorded_event_attributes.marker_name == "core_local_activity"
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
    )
    where = "".join("f" if each.task_queue.name == fleet else "m" for each in scheduled) + "f" * local
    size = sum(event.ByteSize() for event in history.events)
    tasks = kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    return Trips(tasks, len(scheduled), local, len(kinds), size, where)
