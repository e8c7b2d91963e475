"""The fleet's sectors, counted from Temporal's visibility: right after any restart, however many workers count.

One list tells state, since when, failure, round and ticket of all sectors as they were in one moment; counting each
state by a query of its own would ask some forty times. How often is bounded by what it costs.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import GaugeHistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from temporalio.client import Client
from temporalio.service import RPCError

from sealing.flow.registry import LATEST
from sealing.metrics import definitions
from sealing.metrics.standing import bucket, gauge
from workers.watch import SECTORS
from workflows import attributes

log = logging.getLogger(__name__)

SOONEST, LATEST_AFTER = 5.0, 60.0
"""Seconds until the sectors are counted again."""
LOOK_AGAIN = 1.0
TIMES = 20
"""How many times as long as counting took it rests, between the two."""
OLD = 300.0
"""Seconds after which a count is told no more: of several workers' the largest counts, and one may be cut off."""
PAGE = 1000
"""As many as the server gives at once."""
FLOWS = {flow.workflow: flow for flow in LATEST.values()}


@dataclass
class Count:
    """The sectors that run, ``at`` a moment in seconds since 1970, and until when their tickets are good."""

    at: float = 0.0
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    parked: Counter[tuple[str, str]] = field(default_factory=Counter)
    since: dict[tuple[str, str], float] = field(default_factory=dict)
    """Of each state since when a sector is there that does not stand still, the earliest."""
    rounds: dict[str, int] = field(default_factory=lambda: dict.fromkeys((flow.name for flow in FLOWS.values()), 0))
    """Of each flow the most times that a sector has gone back which does not stand still."""
    tickets: list[float] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether it is recent enough to be told."""
        return time.time() - self.at < OLD


async def count(client: Client, task_queue: str) -> Count:
    """Count the sectors of the fleet. Raises RPCError."""
    counted = Count(time.time())
    running = f"ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}' AND {SECTORS}"
    async for found in client.list_workflows(running, page_size=PAGE):
        flow, shown = FLOWS[found.workflow_type].name, found.typed_search_attributes
        state = shown.get(attributes.SEAL_STATE, default="?")
        counted.states[flow, state] += 1
        if shown.get(attributes.PARKED, default=False):
            counted.parked[flow, shown.get(attributes.FAILURE_LEVEL, default="") or definitions.NO_FAILURE] += 1
        else:
            since = shown.get(attributes.SEAL_SINCE)
            if since:
                counted.since[flow, state] = min(since.timestamp(), counted.since.get((flow, state), math.inf))
            counted.rounds[flow] = max(counted.rounds[flow], shown.get(attributes.SEAL_ROUND, default=0))
        if ends := shown.get(attributes.TICKET_EXPIRES):
            counted.tickets.append(ends.timestamp())
    return counted


class FleetMetrics(Collector):
    """The last count, told to Prometheus."""

    def __init__(self, client: Client, task_queue: str) -> None:
        """Take whom to ask, and the fleet."""
        self._client = client
        self._fleet = task_queue
        self._count = Count()
        self._asked = threading.Event()

    async def count_for_ever(self) -> None:
        """Count again and again, as often as somebody asks at most.

        While Temporal is away the last count stays for a while, and its time tells.
        """
        is_known = True
        while True:
            began = time.monotonic()
            try:
                self._count = await count(self._client, self._fleet)
                is_known = True
            except RPCError as error:
                if is_known:
                    log.warning("the fleet's sectors are not counted, Temporal does not answer: %s", error)
                is_known = False
            await asyncio.sleep(min(LATEST_AFTER, max(SOONEST, TIMES * (time.monotonic() - began))))
            while not self._asked.is_set():  # noqa: ASYNC110 - it is set by another thread, and a second is soon enough
                await asyncio.sleep(LOOK_AGAIN)
            self._asked.clear()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        self._asked.set()
        counted, fleet = self._count, self._fleet
        at = gauge(definitions.COUNTED)
        at.add_metric([fleet], counted.at)
        yield at
        sectors, parked = gauge(definitions.SECTORS), gauge(definitions.PARKED)
        longest, rounds = gauge(definitions.LONGEST_STAY), gauge(definitions.MOST_ROUNDS)
        if counted.is_good:
            for (flow, state), number in {**_every_state(), **counted.states}.items():
                sectors.add_metric([fleet, flow, state], number)
            for (flow, level), number in {**_every_level(), **counted.parked}.items():
                parked.add_metric([fleet, flow, level], number)
            now = time.time()
            for (flow, state), since in {**dict.fromkeys(_every_state(), now), **counted.since}.items():
                longest.add_metric([fleet, flow, state], max(0.0, now - since))
            for flow, number in counted.rounds.items():
                rounds.add_metric([fleet, flow], number)
        yield from (sectors, parked, longest, rounds, self._tickets(counted))

    def _tickets(self, counted: Count) -> Metric:
        metric, now = definitions.TICKETS, time.time()
        tickets = GaugeHistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        if counted.is_good:
            left = sorted(max(0.0, ends - now) for ends in counted.tickets)
            limits = (*metric.buckets, float("inf"))
            buckets = [(bucket(limit), bisect_right(left, limit)) for limit in limits]
            tickets.add_metric([self._fleet], buckets, sum(left))
        return tickets


def _every_state() -> dict[tuple[str, str], int]:
    return {(flow.name, state): 0 for flow in FLOWS.values() for state in flow.rows if state != flow.start}


def _every_level() -> dict[tuple[str, str], int]:
    levels = (*definitions.PAUSED_LEVELS, *definitions.PARKING_LEVELS)
    return {(flow.name, level): 0 for flow in FLOWS.values() for level in levels}
