"""Whose a sample of a profile is."""

from __future__ import annotations

import pytest

from bench.profile import LOOP, place, seen

ROOT = "<module> (bench/profile.py:112);run (asyncio/runners.py:190);_run_once (asyncio/base_events.py:1922)"
ACTIVATION = f"{ROOT};_handle_activation (temporalio/worker/_workflow.py:353)"
INSTANCE = f"{ACTIVATION};activate (temporalio/worker/_workflow_instance.py:4)"


@pytest.mark.parametrize(
    ("stack", "whose"),
    [
        (f"{ROOT};_run (asyncio/events.py:80)", LOOP),
        (ACTIVATION, "the SDK: workflow tasks"),
        (f"{ACTIVATION};validate_json (pydantic/type_adapter.py:5)", "the SDK: workflow tasks"),
        (f"{INSTANCE};run (workflows/sector.py:9)", "our workflows"),
        ("run (threading.py:982);_read (queue.py:171)", "other"),
    ],
)
def test_a_sample_is_of_the_innermost_frame_that_is_known(stack: str, whose: str) -> None:
    """What a library does is its caller's; the event loop has only what nobody on it does."""
    assert place(stack) == whose


def test_samples_are_counted_not_stacks() -> None:
    """A stack that was seen thrice counts thrice."""
    assert seen([f"{ROOT};f (x/y.py:1) 1", f"{ACTIVATION} 3"]) == {"the SDK: workflow tasks": 3, LOOP: 1}
