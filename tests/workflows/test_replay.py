"""Every stored history replays on today's code: what runs goes on after a deploy."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.workflows.histories import FOLDER
from workers.runner import WORKFLOWS, runner

PATCH_MARK = '"markerName": "core_patch"'
STORED = sorted(FOLDER.glob("*.json"))


def test_there_is_a_history_for_every_path() -> None:
    """Finished, synthetic, sent again, rewound, parked, resumed, paused, aborted, reset, shared; threads too."""
    assert {path.stem for path in STORED} >= {
        "sealer-finished",
        "sealer-synthetic",
        "sealer-resubmitted",
        "sealer-expired-before-pc2",
        "sealer-expired-at-submission",
        "sealer-parked-and-taken-back",
        "sealer-parked-and-resumed",
        "sealer-aborted",
        "sealer-retried",
        "sealer-refused",
        "sealer-ended-by-manager",
        "sealer-cancelled",
        "sealer-paused",
        "sealer-paused-in-poll",
        "sealer-paused-now",
        "sealer-forced-back",
        "sealer-aborted-while-running",
        "sealer-aborted-without-its-machine-by-force",
        "sealer-aborted-without-its-machine-in-time",
        "sealer-reset",
        "sealer-reset-to-submission",
        "sealer-reset-too-far",
        "sealer-shared-c2",
        "snapup-finished",
        "snapup-shared-prove",
        "sealer-on-stage",
        "snapup-on-stage",
        "thread",
        "thread-drained",
        "thread-paused",
        "thread-rests",
        "thread-rests-after-finished",
    }


def test_the_way_before_the_patch_has_its_histories() -> None:
    """Each way of a sector's end has one of when that was not told apart, as a fleet may have; it bears no mark."""
    marked = {path.stem for path in STORED if PATCH_MARK in path.read_text() and not path.stem.startswith("thread")}
    before = {path.stem for path in STORED if path.stem.endswith("-1")}
    assert before == {f"{name}-1" for name in marked}


def stored(path: Path) -> WorkflowHistory:
    """Return a stored history."""
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    """No command of the workflow has changed its place, or a task that is under way would be stuck."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner())
    await replayer.replay_workflow(stored(path))


async def test_a_thread_that_rested_replays_whatever_its_machine_has_answered() -> None:
    """An older worker of the fleet rests, and knows nothing of what a newer machine says beside its sector."""
    told = json.loads((FOLDER / "thread-rests-after-finished.json").read_text())
    answers = [event["activityTaskCompletedEventAttributes"] for event in told["events"] if is_answer(event)]
    for answer in answers:
        (payload,) = answer["result"]["payloads"]
        said = {**json.loads(base64.b64decode(payload["data"])), "rests_after_finished": False}
        payload["data"] = base64.b64encode(json.dumps(said).encode()).decode()
    assert len(answers) == 1
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner())
    await replayer.replay_workflow(WorkflowHistory.from_json("thread", told))


def is_answer(event: dict[str, object]) -> bool:
    """Tell whether an event of a history is an activity's result."""
    return "activityTaskCompletedEventAttributes" in event
