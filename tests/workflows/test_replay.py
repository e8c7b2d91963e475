"""Every stored history replays on today's code: what runs goes on after a deploy."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.workflows.histories import FOLDER
from workers.sandbox import WORKFLOWS, sandbox

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
    """Each way that ends has one of when its end was not told apart, as a fleet may have; it bears no mark."""
    marked = {path.stem for path in STORED if PATCH_MARK in path.read_text()}
    before = {path.stem for path in STORED if path.stem.endswith("-1")}
    assert before == {f"{name}-1" for name in marked}


def stored(path: Path) -> WorkflowHistory:
    """Return a stored history."""
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    """No command of the workflow has changed its place, or a task that is under way would be stuck."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=sandbox())
    await replayer.replay_workflow(stored(path))
