"""A worker's name on two machines: the second one says so and ends, and one that is gone stops nobody for long."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.world.plant import plant
from workers.assembly import run_worker
from workers.connection import StartError
from workers.elsewhere import ensure_only_machine, ensure_still_only_machine, others

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

THERE = "17@elsewhere"
POLL = 8.0
"""Seconds that a poll is taken to last; those here are shorter."""
SHORT = timedelta(seconds=3)
"""The server takes no poll that waits for less than 2 s."""


async def ask(client: Client, queue: str, who: str = THERE) -> None:
    """Ask a queue for work once, as a worker does, on another machine if nothing else is said."""
    request = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), identity=who)
    try:
        await client.workflow_service.poll_activity_task_queue(request, timeout=SHORT)
    except RPCError as error:
        if error.status not in {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}:
            raise


@asynccontextmanager
async def serving_elsewhere(client: Client, queue: str, who: str = THERE) -> AsyncIterator[None]:
    """Ask again and again meanwhile."""

    async def ask_on() -> None:
        while True:
            await ask(client, queue, who)

    asking = asyncio.create_task(ask_on())
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def test_a_worker_on_a_second_machine(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not start, and says where the other one runs."""
    monkeypatch.setattr("workers.assembly.ensure_only_machine", partial(ensure_only_machine, poll=POLL))
    async with plant(temporal, tmp_path) as built:
        name = built.config.worker.name
        await ask(temporal, name)
        async with serving_elsewhere(temporal, name):
            with (
                caplog.at_level(logging.INFO),
                pytest.raises(StartError, match=f"worker {name} runs on another machine"),
            ):
                await run_worker(built.config, asyncio.Event())
        assert f"another machine has served worker {name} ({THERE})" in caplog.text
        assert "serves queues" not in caplog.text


async def test_a_machine_that_is_gone(temporal: Client) -> None:
    """It is waited for, as long as what it asked last may be waiting for an answer; then its name is free."""
    asking = asyncio.create_task(ask(temporal, "gone"))
    while not await others(temporal, "gone"):  # noqa: ASYNC110 - the server sets no event
        await asyncio.sleep(0.05)
    began = asyncio.get_running_loop().time()
    await ensure_only_machine(temporal, "gone", asyncio.Event(), poll=POLL)
    assert asking.done()
    assert asyncio.get_running_loop().time() > began + POLL
    await asking


async def test_a_restart_on_the_same_machine(temporal: Client) -> None:
    """Nobody is waited for: what the worker before has asked is known by the host's name."""
    await ask(temporal, "same", f"17@{socket.gethostname()}")
    await asyncio.wait_for(ensure_only_machine(temporal, "same", asyncio.Event()), 2)


async def test_a_worker_that_is_stopped_while_it_waits(temporal: Client) -> None:
    """It does not wait to the end."""
    await ask(temporal, "left")
    stop = asyncio.Event()
    waiting = asyncio.create_task(ensure_only_machine(temporal, "left", stop))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    stop.set()
    await asyncio.wait_for(waiting, 10)


async def starting_together(client: Client, name: str, other: str) -> None:
    """Start a machine that another one does not know yet, which serves the name from now on too."""
    looking = asyncio.create_task(ensure_still_only_machine(client, name, asyncio.Event(), poll=POLL / 2))
    await asyncio.sleep(0.5)
    async with serving_elsewhere(client, name, other):
        await looking


async def test_two_machines_that_start_in_one_moment(temporal: Client) -> None:
    """The one whose host's name comes later ends, and says where the other one is."""
    with pytest.raises(StartError, match=r"worker both runs on another machine \(process 17@ before\)"):
        await starting_together(temporal, "both", "17@ before")


async def test_the_first_of_two_machines_stays(temporal: Client, caplog: pytest.LogCaptureFixture) -> None:
    """It says that the other one has to end."""
    await starting_together(temporal, "stays", "17@~after")
    assert "started on another machine too (process 17@~after)" in caplog.text


async def test_a_machine_that_was_there_before_ends_no_worker(
    temporal: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """It has asked for nothing since."""
    await ask(temporal, "before", "17@ before")
    await ensure_still_only_machine(temporal, "before", asyncio.Event(), poll=1)
    assert "another machine" not in caplog.text


async def test_a_server_that_does_not_tell(temporal: Client) -> None:
    """The start fails and says why: a second machine is not to be risked."""
    with pytest.raises(StartError, match="does not tell who serves the queue"):
        await ensure_only_machine(temporal, "", asyncio.Event())
