"""The workflows, and what runs them.

Not the SDK's sandbox. Our modules would have to be passed through it, for models made inside cost 45 ms and 800 KB a
workflow; of what it watches then only a few builtins are left, neither a clock nor chance; and it runs a program at
each activation, a tenth of a replay's CPU. What workflows may use is tested instead, name by name, where they stand:
tests/workflows/test_determinism.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner

from workers.ahead import ReadingAnew
from workflows.sealer import Sealer
from workflows.snapup import SnapUp
from workflows.thread import SealingThread

WORKFLOWS: Sequence[type] = (Sealer, SnapUp, SealingThread)


def runner() -> WorkflowRunner:
    """Return what runs workflows."""
    return ReadingAnew(UnsandboxedWorkflowRunner())
