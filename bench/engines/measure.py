"""One contestant's round: chains one at a time, many at once, and a kill in the middle of one."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.engine import ours
from bench.engines.contestants import Contestant
from bench.engines.process import contending
from bench.engines.servers import Servers
from bench.engines.work import Work
from bench.trips import Trips, trips_of
from tests.world.stage import staged

_numbers = itertools.count(1)
"""Of chains: none is ever used again."""


@dataclass(frozen=True)
class Plan:
    """How much is measured: chains one at a time, many of them at once, and before them some that are not counted."""

    single: int = 10
    many: int = 100
    at_once: int = 50
    warm: int = 5


@dataclass
class Round:
    """What one round took."""

    single: float
    """Chains a second, one at a time."""
    step: float
    """Milliseconds a step then, of the chain that took the median."""
    many: float
    """Chains a second, many at once."""
    cpu: dict[str, float]
    """CPU milliseconds a chain then, of the contender's own process and of each of its servers."""
    recovery: float | None
    """Seconds from the kill until the chain went on; none of what is there as a bound alone."""


async def measured(contestant: Contestant, servers: Servers, work: Work, plan: Plan) -> Round:
    """Measure one contestant in a process that is started for it. Raises ContenderError."""
    async with contending(contestant.module, {**servers.settings, **contestant.settings}, work) as process:
        await process.run(_new(plan.warm), plan.warm)
        single = await process.run(_new(plan.single), 1)
        before = servers.cpu()
        many = await process.run(_new(plan.many), plan.at_once)
        after = servers.cpu()
        own = {"process": 1000 * many["cpu"] / plan.many}
        used = {name: 1000 * (after[name] - before[name]) / plan.many for name in contestant.servers}
        return Round(
            single=plan.single / single["seconds"],
            step=1000 * statistics.median(single["each"]) / len(work.results),
            many=plan.many / many["seconds"],
            cpu={**own, **used},
            recovery=None if contestant.least else await process.recovered(next(_numbers)),
        )


def _new(count: int) -> list[int]:
    return list(itertools.islice(_numbers, count))


async def ours_taken(servers: Servers, folder: Path) -> tuple[Trips, Work]:
    """Seal one sector of ours, and return what it is to the server, and as much work for everybody."""
    client = await Client.connect(servers.settings["temporal"], data_converter=pydantic_data_converter)
    async with staged(client) as stage:
        history = await client.get_workflow_handle(await ours(stage)).fetch_history()
        return trips_of(history, stage.fleet), Work(results_of(history), folder)


def results_of(history: WorkflowHistory) -> list[str]:
    """Return what each step and report of a sector resulted in, as it stands in its history."""
    found = list[bytes]()
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            found += [each.data for each in event.activity_task_completed_event_attributes.result.payloads]
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            details = event.marker_recorded_event_attributes.details
            found += [each.data for each in details["result"].payloads] if "result" in details else []
    return [each.decode() for each in found]
