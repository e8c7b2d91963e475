"""The workflows, and what they are run in."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.sealer import Sealer
from workflows.snapup import SnapUp
from workflows.thread import SealingThread

WORKFLOWS: Sequence[type] = (Sealer, SnapUp, SealingThread)

PASSED_THROUGH = ("sealing", "workflows")
"""Modules that the workflow sandbox takes from outside, pydantic besides, which the SDK passes itself. Ours hold no
state and call nothing that is not deterministic; models made inside would cost 45 ms and 800 KB a workflow instance."""


def sandbox() -> SandboxedWorkflowRunner:
    """Return what runs workflows."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
