"""The two command lines of Temporal, run as the programs that they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import BatchOperationState
from temporalio.api.workflowservice.v1 import ListBatchOperationsRequest

from tests.world.plant import Plant

WITHIN = 60.0
"""Seconds within which a command must have ended."""


@dataclass(frozen=True)
class Terminal:
    """Where an operator types, with a home of its own: no setting of the user's is read.

    ``argument`` is JSON as it is typed, None for none at all.
    """

    address: str
    home: Path
    temporal: Path
    tctl: Path

    async def signal(self, built: Plant, number: int, name: str, argument: str | None) -> None:
        """Signal one workflow by its id."""
        words = ("workflow", "signal", "-w", built.sector(number).id, "--name", name)
        await self.type(self.temporal, *words, *_option("--input", argument))

    async def signal_by_query(self, built: Plant, number: int, name: str, argument: str | None) -> None:
        """Signal what a query finds, here one sector's task."""
        await self.signal_all(built, f"SectorId = '{built.id(number)}' AND WorkflowType = 'Sealer'", name, argument)

    async def signal_all(self, built: Plant, query: str, name: str, argument: str | None) -> None:
        """Signal all that a query finds, and wait until that is done: the server refuses a second batch beside it."""
        words = ("workflow", "signal", "--query", query, "--reason", "a test", "--yes", "--name", name)
        printed = await self.type(self.temporal, *words, *_option("--input", argument))
        job = printed.rpartition(":")[2].strip()

        async def done() -> bool:
            # The list, not the job itself: the server counts by the list, which comes after.
            service, wanted = (
                built.client.workflow_service,
                ListBatchOperationsRequest(namespace=built.client.namespace),
            )
            listed = {one.job_id: one.state for one in (await service.list_batch_operations(wanted)).operation_info}
            return listed.get(job) == BatchOperationState.BATCH_OPERATION_STATE_COMPLETED

        await built.until(done, f"the batch {job} to end")

    async def signal_by_tctl(self, built: Plant, number: int, name: str, argument: str | None) -> None:
        """Signal one workflow by the older command line."""
        words = ("workflow", "signal", "-w", built.sector(number).id, "-n", name)
        await self.type(self.tctl, *words, *_option("-i", argument))

    async def ask(self, built: Plant, number: int, query: str) -> Any:
        """Return what a sector's query answers."""
        words = ("workflow", "query", "-w", built.sector(number).id, "--type", query, "--output", "json")
        return json.loads(await self.type(self.temporal, *words))["queryResult"][0]

    async def ask_by_tctl(self, built: Plant, number: int, query: str) -> Any:
        """Return what a sector's query answers by the older command line, which prints a heading before a list."""
        printed = await self.type(self.tctl, "workflow", "query", "-w", built.sector(number).id, "-qt", query)
        return json.loads(printed.partition("\n")[2])[0]

    async def control(self, built: Plant, number: int, argument: str, *, status: int = 0) -> str:
        """Order by the update ``control`` and return what is printed: an answer as JSON, or the refusal."""
        words = ("workflow", "update", "execute", "-w", built.sector(number).id, "--name", "control")
        return await self.type(self.temporal, *words, "--input", argument, "--output", "json", status=status)

    async def cancel(self, built: Plant, number: int) -> None:
        """Cancel a sector's workflow."""
        await self.type(self.temporal, "workflow", "cancel", "-w", built.sector(number).id)

    async def cancel_by_tctl(self, built: Plant, number: int) -> None:
        """Cancel a sector's workflow by the older command line."""
        await self.type(self.tctl, "workflow", "cancel", "-w", built.sector(number).id)

    async def type(self, program: Path, *words: str, status: int = 0) -> str:
        """Run a command to its end and return what it printed. Fails the test if it ends with another status."""
        process = await asyncio.create_subprocess_exec(
            program,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self.home), "TEMPORAL_ADDRESS": self.address, "TEMPORAL_CLI_ADDRESS": self.address},
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), WITHIN)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        printed = output.decode()
        assert process.returncode == status, f"{program.name} {words} ended with {process.returncode}:\n{printed}"
        return printed


Signal = Callable[[Terminal, Plant, int, str, str | None], Awaitable[None]]
"""A way to signal a sector."""


def _option(name: str, argument: str | None) -> tuple[str, ...]:
    return () if argument is None else (name, argument)
