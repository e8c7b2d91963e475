"""A contender's process: ``python -m bench.engines.contender``.

The first line of stdin has its settings as JSON, each further line a request. ``{"chains": [1, 2], "at_once": 2}`` runs
these, and is answered on stdout by the seconds that all took, the seconds of each, and the CPU seconds of this process;
``{"hold": 3}`` begins a chain, and no answer comes. What was under way when a process was killed, the next one takes up
by the engine's own means.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from bench.engines.work import Work


class Contender(ABC):
    """An engine with the chain written for it."""

    def __init__(self, work: Work, settings: Mapping[str, Any]) -> None:
        """Take the chain, and where the engine's servers are."""
        self.work = work
        self.settings = settings

    @abstractmethod
    def serving(self) -> AbstractAsyncContextManager[None]:
        """Run what executes chains; it takes up what was under way."""

    @abstractmethod
    async def chain(self, number: int) -> None:
        """Run a chain and wait for its end."""


async def run(contender: Contender, chains: Sequence[int], at_once: int) -> dict[str, Any]:
    """Run chains, and return what they took."""
    room, each = asyncio.Semaphore(at_once), list[float]()

    async def in_turn(number: int) -> None:
        async with room:
            began = time.perf_counter()
            await contender.chain(number)
            each.append(time.perf_counter() - began)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(in_turn, chains))
    return {"seconds": time.perf_counter() - began, "each": each, "cpu": time.process_time() - used}


async def answer(contender: Contender, requests: asyncio.StreamReader) -> None:
    """Serve until stdin ends."""
    held = list[asyncio.Task[None]]()
    async with contender.serving():
        _say({"ready": True})
        while line := await requests.readline():
            request = json.loads(line)
            if "hold" in request:
                held.append(asyncio.create_task(contender.chain(request["hold"])))
            else:
                _say(await run(contender, **request))


def _say(what: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Be the contender whose module the settings name."""
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    settings = json.loads(await requests.readline())
    work = Work(settings["results"], Path(settings["folder"]))
    contender: Contender = importlib.import_module(settings["module"]).Engine(work, settings)
    await answer(contender, requests)


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
