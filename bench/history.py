"""What one task of each flow is to the server, and how long a worker takes to replay it from nothing.

Run by ``make bench-history``. What is measured are the stored histories, recorded from whole workers on a real server;
tests/workflows guard that those of today stay as small.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from bench.spread import spread
from bench.trips import trips_of
from tests.workflows.histories import FOLDER
from workers.runner import WORKFLOWS, runner

FLOWS = ("sealer-finished", "sealer-synthetic", "snapup-finished")
ROUNDS, REPLAYS = 5, 20


async def replayed(history: WorkflowHistory) -> float:
    """Return the milliseconds of one replay, of many one after the other."""
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=runner())

    async def again() -> AsyncIterator[WorkflowHistory]:
        for _ in range(REPLAYS):
            yield history

    began = time.perf_counter()
    async with replayer.workflow_replay_iterator(again()) as replays:
        async for replay in replays:
            if replay.replay_failure:
                raise replay.replay_failure
    return 1000 * (time.perf_counter() - began) / REPLAYS


async def main() -> None:
    """Measure, round by round in turns."""
    logging.disable(logging.WARNING)
    histories = {name: WorkflowHistory.from_json(name, (FOLDER / f"{name}.json").read_text()) for name in FLOWS}
    rounds = [{name: await replayed(history) for name, history in histories.items()} for _ in range(ROUNDS)]
    for name, history in histories.items():
        trips, took = trips_of(history, "fleet"), [each[name] for each in rounds]
        sys.stdout.write(
            f"{name:17} {trips.events} events, {trips.bytes / 1024:.1f} KiB, {trips.tasks} workflow tasks, "
            f"{trips.activities} activities, {trips.local} local ones: {trips.share:.0%} of one activity for each; "
            f"replay {spread(took, 1, 'ms')}\n"
        )


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
