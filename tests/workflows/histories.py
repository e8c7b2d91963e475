"""Stored histories: one for each path through a workflow, replayed in every run, recorded by `make histories`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

FOLDER = Path(__file__).parents[1] / "histories"
RECORD = "SEALFLOW_RECORD"
"""Set to write histories anew. An old one is replaced only where the workflow is meant to have changed."""


async def keep(handle: WorkflowHandle[Any, Any], name: str) -> None:
    """Store the workflow's history under a name, if histories are being recorded."""
    if os.environ.get(RECORD):
        FOLDER.mkdir(exist_ok=True)
        history = await handle.fetch_history()
        (FOLDER / f"{name}.json").write_text(history.to_json() + "\n")
