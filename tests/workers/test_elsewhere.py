"""A worker's name on two machines: the second one says so and ends, and one that is gone stops nobody for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.survival.program import WorkerProgram
from tests.world.plant import plant
from workers.connection import StartError
from workers.elsewhere import ensure_only_machine

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

THERE = "17@elsewhere"
SHORT = timedelta(seconds=3)
"""The server takes no poll that waits for less than 2 s."""


async def ask(client: Client, queue: str) -> None:
    """Ask a queue for work once, as a worker on another machine does."""
    request = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), identity=THERE)
    try:
        await client.workflow_service.poll_activity_task_queue(request, timeout=SHORT)
    except RPCError as error:
        if error.status not in {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}:
            raise


@asynccontextmanager
async def serving_elsewhere(client: Client, queue: str) -> AsyncIterator[None]:
    """Ask again and again meanwhile."""

    async def ask_on() -> None:
        while True:
            await ask(client, queue)

    asking = asyncio.create_task(ask_on())
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def test_the_program_on_a_second_machine(temporal: Client, tmp_path: Path) -> None:
    """It ends with status 1 and says where the other one runs; nothing is started."""
    async with plant(temporal, tmp_path) as built:
        await ask(temporal, built.config.worker.name)
        async with serving_elsewhere(temporal, built.config.worker.name):
            second = WorkerProgram(built)
            await second.start()
            assert second.process is not None
            assert await second.process.wait() == 1
        said = second.log.read_text()
        assert (
            f"runs on another machine (process {THERE}): end it there, or give this one another [worker] name" in said
        )
        assert "serves queues" not in said


async def test_a_machine_that_is_gone(temporal: Client, caplog: pytest.LogCaptureFixture) -> None:
    """It is waited for as long as a poll lasts, and said so; once it was not seen for that long, nobody waits."""
    await ask(temporal, "gone")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with caplog.at_level(logging.WARNING):
        await ensure_only_machine(temporal, "gone", asyncio.Event(), within=3)
        assert loop.time() - began < 10
        assert "another machine has just served worker gone: waiting for up to 3 s" in caplog.text
        caplog.clear()
        await ensure_only_machine(temporal, "gone", asyncio.Event(), within=3)
    assert caplog.text == ""


async def test_a_worker_that_is_stopped_while_it_waits(temporal: Client) -> None:
    """It does not wait to the end."""
    await ask(temporal, "left")
    stop = asyncio.Event()
    waiting = asyncio.create_task(ensure_only_machine(temporal, "left", stop))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    stop.set()
    await asyncio.wait_for(waiting, 10)


async def test_a_server_that_does_not_tell(temporal: Client) -> None:
    """The start fails and says why: a second machine is not to be risked."""
    with pytest.raises(StartError, match="does not tell who serves the queue"):
        await ensure_only_machine(temporal, "", asyncio.Event())
