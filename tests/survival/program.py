"""The worker as a program that a test starts and kills."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.world.plant import Plant

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"


class WorkerProgram:
    """``sealflow worker -c FILE run``, on a plant. Its log is ``worker.log`` in the plant's folder."""

    def __init__(self, built: Plant, **env: str) -> None:
        """Take the plant, and variables of the worker's environment; nothing runs yet."""
        self.built = built
        self.env = env
        self.log = built.folder / "worker.log"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the worker."""
        env = {**os.environ, "SEALFLOW_SIMULATED": str(self.built.folder / "simulated.json"), **self.env}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                SEALFLOW, "worker", "-c", str(self.built.file), "run", stdout=log, stderr=log, env=env
            )

    def kill(self) -> None:
        """Kill the worker, and nothing that it has started, by -9."""
        assert self.process is not None
        self.process.kill()

    async def terminate(self) -> int:
        """Ask the worker to end, and return its exit status."""
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()

    async def gone(self) -> None:
        """Wait until the worker's process has ended."""
        assert self.process is not None
        await self.process.wait()


@asynccontextmanager
async def program(built: Plant, **env: str) -> AsyncIterator[WorkerProgram]:
    """Run the plant's worker as a program, with more variables of its environment; it is ended with the block."""
    worker = WorkerProgram(built, **env)
    await worker.start()
    try:
        yield worker
    finally:
        if worker.process is not None and worker.process.returncode is None:
            worker.kill()
            await worker.gone()
