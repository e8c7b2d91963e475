"""The least that Temporal can take: a bare workflow with as many activities that do nothing as ours has, and no more.

No quick calls, no search attributes; one queue, so that a server that starts activities eagerly can hand them out with
the answer to the task that asked for them. What even this takes on a server, no workflow of ours can fall below there,
as long as each of its computations is an activity.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.bare import Bare, nothing
from bench.engines.contender import Contender


class Engine(Contender):
    """One worker, and the client that begins its workflows."""

    client: Client

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve the queue."""
        self.client = await Client.connect(self.settings["temporal"])
        async with Worker(
            self.client,
            task_queue=self.queue,
            workflows=[Bare],
            activities=[nothing],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield

    @property
    def queue(self) -> str:
        """The one queue."""
        return f"least-{self.settings['miner']}"

    async def chain(self, number: int) -> None:
        """Run a bare workflow whose id is the chain's number."""
        arguments = [self.queue, self.queue, "f" * len(self.work.results)]
        await self.client.execute_workflow(Bare.run, args=arguments, id=f"least-{number}", task_queue=self.queue)
