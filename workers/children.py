"""Programs that another starts: each in a session of its own, with a log, and ended with it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sealing import foreign

GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL."""
TAIL = 2000
"""Bytes of a log that an error shows."""


class ChildError(Exception):
    """A program that should run has ended; the text has its log's end."""


@dataclass
class Child:
    """A program that runs beside this one."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def start(cls, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Child:
        """Start a program whose output goes to ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        return cls(name, process, log)

    def check(self) -> None:
        """Raise ChildError if the program has ended."""
        if self.process.returncode is not None:
            raise ChildError(f"the {self.name} ended with status {self.process.returncode}; {self.log}:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of the log."""
        return foreign.tail(self.log, TAIL)

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End the program and all that it has started in its session; ``sign`` is what asks it to."""
        if self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):  # it has ended, and this loop has not heard of it yet
            os.killpg(self.process.pid, sign)
        try:
            await asyncio.wait_for(self.process.wait(), GRACE)
        except TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
