"""A workflow that does nothing but run activities that do nothing: what the engine itself takes."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

STEP_TAKES = timedelta(minutes=1)


@activity.defn
async def nothing(_: str) -> str:
    """Do nothing."""
    return ""


@workflow.defn
class Bare:
    """Activities one after the other: a letter tells each one's queue, f for the fleet's, m for the machine's."""

    @workflow.run
    async def run(self, fleet: str, machine: str, where: str) -> None:
        """Run them."""
        for letter in where:
            queue = fleet if letter == "f" else machine
            await workflow.execute_activity(nothing, "", task_queue=queue, start_to_close_timeout=STEP_TAKES)
