"""A program of the stack: made ready, started, waited for, ended; and killed and started again by tests."""

from __future__ import annotations

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx

from deploy.stack.programs import with_this_process
from workers.children import Child, ChildError

LOOK_EVERY = 0.1
"""Seconds between two tries to reach a program that starts."""
READY_WITHIN = 120.0
"""Seconds within which a program must answer, on a machine that has much else to do."""


class StackError(ChildError):
    """The stack cannot run; the text says why and what to do."""


class Part(ABC):
    """One program, with a folder of its own and a log."""

    name: ClassVar[str]
    """What people call it."""
    ends_by: ClassVar[signal.Signals] = signal.SIGTERM
    """What asks it to end."""
    as_postgres: ClassVar[bool] = False
    """Whether it is another user's, where the stack is root's."""

    def __init__(self, folder: Path, log: Path) -> None:
        """Take where it keeps its data, and where its log goes."""
        self.folder = folder
        self.log = log
        self.child: Child | None = None

    @abstractmethod
    def argv(self) -> list[str]:
        """Return how it is started. Raises ProgramMissingError."""

    @abstractmethod
    async def answers(self) -> bool:
        """Tell whether it can be used."""

    async def prepare(self) -> None:
        """Make what must be there before it starts."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def environment(self) -> Mapping[str, str]:
        """Return variables of its own."""
        return {}

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ChildError."""
        await self.prepare()
        argv = with_this_process(self.argv(), self.ends_by.name, as_postgres=self.as_postgres)
        self.child = await Child.start(self.name, argv, self.log, self.environment())
        try:
            await asyncio.wait_for(self._until_ready(self.child), READY_WITHIN)
        except TimeoutError:
            await self.stop()
            raise StackError(
                f"the {self.name} does not answer after {READY_WITHIN:.0f} s; {self.log}:\n{self.child.tail()}"
            ) from None
        except BaseException:
            await self.stop()
            raise

    async def _until_ready(self, child: Child) -> None:
        while True:
            child.check()
            if await self.answers():
                return
            await asyncio.sleep(LOOK_EVERY)

    def check(self) -> None:
        """Raise ChildError if it has ended."""
        if self.child is not None:
            self.child.check()

    async def stop(self) -> None:
        """End it."""
        if self.child is not None:
            await self.child.stop(self.ends_by)

    async def kill(self) -> None:
        """Kill it by -9."""
        if self.child is not None:
            os.killpg(self.child.process.pid, signal.SIGKILL)
            await self.child.process.wait()


async def reached(url: str, *, good: bool = True) -> bool:
    """Tell whether somebody answers there; ``good``: by what says that all is well."""
    async with httpx.AsyncClient() as http:
        try:
            answer = await http.get(url)
        except httpx.TransportError:
            return False
        return answer.is_success or not good
