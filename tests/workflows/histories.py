"""Stored histories: one for each path through a workflow, replayed in every run, recorded by `make histories`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

FOLDER = Path(__file__).parents[1] / "histories"
LEFT_OUT = {"stackTrace": "", "identity": "worker"}
RECORD = "SEALFLOW_RECORD"
"""Set to write histories anew. An old one is replaced only where the workflow is meant to have changed."""


async def keep(handle: WorkflowHandle[Any, Any], name: str) -> None:
    """Store the workflow's history under a name, if histories are being recorded."""
    if os.environ.get(RECORD):
        FOLDER.mkdir(exist_ok=True)
        history = await handle.fetch_history()
        cleaned = clean(json.loads(history.to_json()))
        (FOLDER / f"{name}.json").write_text(json.dumps(cleaned, indent=1) + "\n")


async def assert_within(handle: WorkflowHandle[Any, Any], events: int, size: int) -> None:
    """Check that a history has no more than so many events and bytes: the server keeps it, and a worker reads it again.

    The limits leave room for a slow machine, on which a call now and then becomes an activity of its own.
    """
    history = (await handle.fetch_history()).events
    assert len(history) <= events
    assert sum(event.ByteSize() for event in history) <= size


def clean(found: Any) -> Any:
    """Return a part of a history without what only says on which machine it came to be."""
    if isinstance(found, dict):
        return {name: LEFT_OUT.get(name, clean(value)) for name, value in found.items()}
    return [clean(value) for value in found] if isinstance(found, list) else found
