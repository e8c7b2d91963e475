"""The end of a task: its files go, and the manager is told, whatever else happens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

from sealing.flow.state import State
from sealing.sector import Ending, Task
from workflows.calls import at_home, patient, quick

T = TypeVar("T")

CLEAN_UP = "clean_up"
REPORT_END = "report_end"
TOLD_APART = "the-end-is-told-apart"
"""The patch by which the end is told by an activity of its own."""


async def close(task: Task, ending: Ending, *, leave_files: bool = False) -> None:
    """Clean up the machine's files and tell the manager, neither waiting for the other.

    Files that are left go when the sector's thread next looks at its claim.
    """
    if leave_files:
        await _tell(task, ending)
    else:
        await asyncio.gather(_clean_up(task), _tell(task, ending))


async def surely(work: Coroutine[Any, Any, T]) -> T:
    """Do ``work`` to its end, whatever is cancelled meanwhile: half an end would leave files and a manager untold."""
    task = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                raise


async def _tell(task: Task, ending: Ending) -> None:
    # Not within the workflow task that came to the end: were that lost with its worker, all that it did would be done
    # again, and told to a manager for which the task has ended: it would end it, and the sector be taken for aborted.
    tell = patient if workflow.patched(TOLD_APART) else quick
    try:
        summary, longest = f"report of {ending.report.next}", task.settings.rpc_polling_interval
        await tell(REPORT_END, ending, bool, summary, longest=longest)
    except FailureError as error:
        workflow.logger.warning(
            "the manager did not take the end of %s: %s", ending.report.sector, error.cause or error
        )


async def _clean_up(task: Task) -> None:
    # A machine that is gone must not hold the end of a task.
    within = task.settings.abort_patience if task.state is State.Aborted else None
    try:
        await at_home(CLEAN_UP, task, bool, f"{task.state}: {CLEAN_UP}", within)
    except FailureError as error:
        workflow.logger.warning("the files of %s are left where they are: %s", task.sector.id, error.cause or error)
