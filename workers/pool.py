"""The shared queues of this machine: what it computes for sectors of all machines, and how much of that at once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.exchange import exchange_at
from activities.guests import Guests
from activities.parcels import Parcels
from activities.pool import PoolActivities
from activities.stages import Stages
from activities.step import StepInterceptor
from sealing.config import Config, Processors
from workers.beside import beside
from workers.programs import Programs

log = logging.getLogger(__name__)

HEARTBEAT_THROTTLE = timedelta(seconds=5)
"""The SDK holds heartbeats back for up to a minute otherwise, and a cancellation comes with one."""


def parcels_of(config: Config) -> Parcels:
    """Return how inputs travel from and to this machine."""
    temporal = config.temporal
    exchange = exchange_at(temporal.exchange, temporal.exchange_endpoint, temporal.namespace)
    return Parcels(temporal.inline_limit, exchange, temporal.namespace)


def guests_of(config: Config) -> Guests:
    """Return the folder of what this machine computes for others."""
    return Guests(config.pool_folder, config.temporal.pool_patience.total_seconds())


@asynccontextmanager
async def pool(  # noqa: PLR0913 - what such a machine has
    config: Config, client: Client, stages: Stages, programs: Programs, guests: Guests, *, around: StepInterceptor
) -> AsyncIterator[None]:
    """Serve the shared queues that this machine has processors for, if any."""
    activities = PoolActivities(
        stages, parcels_of(config), guests, programs.parameters_ready, programs.update_parameters_ready
    )
    shared: dict[str, Callable[..., Any]] = {"c2": activities.c2, "snap_prove": activities.snap_prove}
    async with AsyncExitStack() as stack:
        if config.serves:
            told = "computations for other machines are watched no more"
            await stack.enter_async_context(beside(guests.sweep_for_ever(), told))
        for stage in config.serves:
            queue, slots = config.temporal.shared_queue(stage), capacity(config.processors, stage)
            worker = Worker(
                client,
                task_queue=queue,
                activities=[shared[stage]],
                interceptors=[around],
                # The Web UI shows which machine computes.
                identity=config.worker.name,
                max_concurrent_activities=slots,
                max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
            )
            await stack.enter_async_context(worker)
            log.info("%s at once for all machines, from queue %s: %d", stage, queue, slots)
        yield


def capacity(processors: Processors, stage: str) -> int:
    """Return how many of a stage this machine can run at once, if nothing else runs: 1 where nothing is said.

    A task that the server gives to a machine that cannot start it is one that no other machine gets.
    """
    limits = processors.limits()
    limit = limits.concurrent.get(stage)
    free = dict(limits.locks)
    total = 0
    for each in processors.of(stage):
        own = each.concurrent or limit or 1
        counted = [lock for lock in each.locks if lock in free]
        count = min([own, *(free[lock] for lock in counted)])
        for lock in counted:
            free[lock] -= count
        total += count
    return max(1, total if limit is None else min(total, limit))
