"""Reads a workflow anew that a query has carried past its last task.

The server sends a query with the history as it stands, which may have events that no workflow task has taken yet, as
where a task waits for a worker that was killed. The SDK's core applies them for the query's sake, and keeps the
workflow. A signal that comes before the task is applied after them then, but before them on any replay: two orders of
commands, and a history that never fits again. So the next task of such a workflow is failed here, once. The core
forgets the workflow with it, and the server gives the task again, with the whole history.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker._command_aware_visitor import CommandInfo
from temporalio.workflow import Info, _Definition

log = logging.getLogger(__name__)

OWN_TASK: Final = "legacy_query"
"""The core's id of a query that came as a task of its own; others come with a workflow's task, and take nothing new."""
ANEW: Final = (
    "a query has read this workflow further than its tasks have come; it is read anew, and nothing is wrong with it"
)


class ReadingAnew(WorkflowRunner):
    """Runs workflows by another runner, and has those read anew that a query has carried too far."""

    def __init__(self, runner: WorkflowRunner) -> None:
        """Take the other runner."""
        self._runner = runner

    def prepare_workflow(self, defn: _Definition) -> None:
        """Let the other prepare it."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return the other's instance, watched."""
        return Watched(self._runner.create_instance(det))

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Hand them on."""
        self._runner.set_worker_level_failure_exception_types(types)


class Watched(WorkflowInstance):
    """A workflow in the cache of a worker."""

    def __init__(self, instance: WorkflowInstance) -> None:
        """Take the instance that runs the workflow."""
        self._instance = instance
        self._moment, self._length = (0, 0), 0
        self._is_taken = True
        self._is_ahead = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Hand an activation on; or fail it, where the workflow is ahead of its tasks."""
        queries = [job.query_workflow.query_id for job in act.jobs if job.HasField("query_workflow")]
        if queries:
            self._is_ahead |= OWN_TASK in queries and not self._is_taken
        elif self._is_ahead:
            log.info("workflow run %s: %s", act.run_id, ANEW)
            return _failed(act)
        else:
            self._look(act)
        return self._instance.activate(act)

    def _look(self, act: WorkflowActivation) -> None:
        """Tell whether a task has taken the events: the moment of an activation is the start of its task."""
        moment = act.timestamp.seconds, act.timestamp.nanos
        is_new = not act.is_replaying and act.history_length > self._length
        self._is_taken = not (is_new and moment == self._moment)
        self._moment, self._length = moment, act.history_length

    def get_serialization_context(self, command_info: CommandInfo | None) -> SerializationContext | None:
        """Ask the instance."""
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: CommandInfo | None) -> StorageDriverStoreContext:
        """Ask the instance."""
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """Ask the instance."""
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        """Ask the instance."""
        return self._instance.get_thread_id()


def _failed(act: WorkflowActivation) -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion(run_id=act.run_id)
    completion.failed.failure.message = ANEW
    completion.failed.failure.application_failure_info.SetInParent()
    return completion
