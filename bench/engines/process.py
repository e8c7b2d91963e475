"""The measuring side of a contender's process: started, asked, killed by -9, started again."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.engines.work import HELD_FROM, Work
from deploy.stack.programs import with_this_process

LOOK_EVERY = 0.002
"""Seconds between two looks for a mark."""
PATIENCE = 120.0
"""Seconds within which a chain must go on after a kill."""
LONGEST = 1 << 20
"""Bytes of an answer's line at most."""


class ContenderError(Exception):
    """A contender has ended or does not go on; the text has its log's end."""


class Process:
    """A contender that runs. Its folder keeps the log, and what the contender itself keeps."""

    def __init__(self, module: str, settings: Mapping[str, Any], work: Work) -> None:
        """Take what is to be run."""
        self.work = work
        self.log = work.folder / f"{module}.log"
        self._settings = {**settings, "module": module, "results": [*work.results], "folder": str(work.folder)}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves. Raises ContenderError."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *with_this_process([sys.executable, "-m", "bench.engines.contender"], "KILL"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parents[2],
                limit=LONGEST,
            )
        await self._ask(self._settings)

    async def run(self, chains: Sequence[int], at_once: int) -> dict[str, Any]:
        """Run chains, and return what they took. Raises ContenderError."""
        return await self._ask({"chains": [*chains], "at_once": at_once})

    async def recovered(self, number: int) -> float:
        """Begin a chain, kill its process in the middle, start it again, and return the seconds until it goes on.

        Raises ContenderError.
        """
        chain = HELD_FROM + number
        self._send({"hold": chain})
        await self._until(self.work.mark(chain, self.work.middle))
        began = time.monotonic()
        await self.kill()
        await self.start()
        await self._until(self.work.mark(chain, self.work.middle + 1))
        return time.monotonic() - began

    async def kill(self) -> None:
        """Kill it by -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _send(self, what: Mapping[str, Any]) -> asyncio.StreamReader:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ContenderError("the contender does not run")
        process.stdin.write(json.dumps(what).encode() + b"\n")
        return process.stdout

    async def _ask(self, what: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._send(what).readline()
        if not answer:
            raise ContenderError(f"the contender ended; {self.log}:\n{self.log.read_text()[-2000:]}")
        answered: dict[str, Any] = json.loads(answer)
        return answered

    async def _until(self, mark: Path) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not mark.exists():  # noqa: ASYNC110, ASYNC240 - a file has no event, and is looked at at once
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise ContenderError(f"{mark.name} is not there after {PATIENCE:.0f} s; {self.log}") from None


@asynccontextmanager
async def contending(module: str, settings: Mapping[str, Any], work: Work) -> AsyncIterator[Process]:
    """Run a contender."""
    process = Process(module, settings, work)
    try:
        await process.start()
        yield process
    finally:
        await process.kill()
