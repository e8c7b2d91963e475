"""Workflows that a query has carried past their last task: told by what the core activates, and failed once."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import WorkflowInstance

from sealing.keyring import Keyring
from workers.ahead import ANEW, OWN_TASK, Watched
from workers.encryption.codec import converter


def activation(job: str, second: int, length: int, *, replaying: bool = False, query: str = "") -> WorkflowActivation:
    """Return an activation with one job, in a task that started at a second, of a history of a length."""
    act = WorkflowActivation(run_id="run", is_replaying=replaying, history_length=length)
    act.timestamp.seconds = second
    getattr(act.jobs.add(), job).SetInParent()
    if query:
        act.jobs[0].query_workflow.query_id = query
    return act


START = activation("initialize_workflow", 1, 3)
REPLAYED = [
    activation("initialize_workflow", 1, 3, replaying=True),
    activation("resolve_activity", 2, 9, replaying=True),
]
UNTAKEN = activation("resolve_activity", 2, 14)
"""A step's end that no task has taken, read after ``REPLAYED``: the moment is the last task's."""
TAKEN = activation("resolve_activity", 3, 14)
SIGNAL = activation("signal_workflow", 5, 20)


def asked(second: int, length: int, query: str = OWN_TASK) -> WorkflowActivation:
    """Return a query's activation."""
    return activation("query_workflow", second, length, replaying=True, query=query)


def failed(*acts: WorkflowActivation) -> list[bool]:
    """Activate an instance with each, and tell which were failed."""
    inner = create_autospec(WorkflowInstance, instance=True)
    inner.activate.return_value = WorkflowActivationCompletion(run_id="run")
    watched = Watched(inner)
    completions = [watched.activate(act) for act in acts]
    assert all(done.failed.failure.message == ANEW for done in completions if done.HasField("failed"))
    return [done.HasField("failed") for done in completions]


def test_a_task_after_a_query_that_read_too_far_is_failed() -> None:
    """The query itself is answered, and so are the ones after it."""
    assert failed(*REPLAYED, UNTAKEN, asked(2, 14), asked(2, 14), SIGNAL) == [False] * 5 + [True]


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param([*REPLAYED, TAKEN, asked(3, 14), SIGNAL], id="a task has taken what the query shows"),
        pytest.param([*REPLAYED, asked(2, 9), SIGNAL], id="nothing new has happened"),
        pytest.param([*REPLAYED, TAKEN, asked(3, 14, "17"), SIGNAL], id="the query came with a task"),
        pytest.param([START, activation("resolve_activity", 1, 3), asked(1, 3), SIGNAL], id="a task's local activity"),
        pytest.param([*REPLAYED, UNTAKEN, SIGNAL], id="nobody asked"),
        pytest.param([START, asked(1, 3), TAKEN, asked(3, 14), SIGNAL], id="asked all the time"),
    ],
)
def test_no_other_task_is_failed(acts: list[WorkflowActivation]) -> None:
    """What the core activates in a workflow's usual life goes on to it."""
    assert failed(*acts) == [False] * len(acts)


@pytest.mark.parametrize("keys", [Keyring(), Keyring({"one": b"k" * 32})], ids=["plain", "encrypted"])
def test_no_converter_of_ours_asks_for_a_context(keys: Keyring) -> None:
    """None is given to any, so that none may come to want one unnoticed."""
    ours = converter(keys)
    told = ours.with_context(WorkflowSerializationContext(namespace="default", workflow_id="sealer-t01000-1"))
    assert told.payload_converter is ours.payload_converter
    assert told.payload_codec is ours.payload_codec
    assert told.failure_converter is ours.failure_converter
    assert ours.external_storage is None
