"""The programs that are killed and started again: two of ours, and the Temporal server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import mortal
from tests.chaos.processes import runs
from workers.children import Child
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

READY_WITHIN = 90.0
"""Seconds in which a program must serve after its start, on a machine that does much else."""
CLOCK = "clock.so"
"""In the site's folder: a clock that can be wrong, built where this machine has a compiler."""
CLOCK_SOURCE = Path(__file__).with_name("clock.c")


@dataclass
class Program:
    """One of ours that is killed and started again. It serves when its log says so."""

    name: str
    argv: list[str]
    serves: str
    log: Path
    orders: Path
    """What tests/chaos/mortal.py is told, and beside it what that tells."""
    env: dict[str, str] = field(default_factory=dict)
    ahead: int = 0
    """Seconds that its clock is ahead when it is started next."""
    child: Child | None = None
    _from: int = 0

    async def start(self) -> None:
        """Start it."""
        self._from = self.log.stat().st_size if self.log.exists() else 0
        env = {**self.env, mortal.VARIABLE: str(self.orders), **ahead_by(self.ahead, self.orders.parent)}
        self.child = await Child.start(self.name, self.argv, self.log, env)

    def order(self, *die_at: str) -> None:
        """Say at which points it dies, the first of them that it comes to from now on."""
        whole = self.orders.with_suffix(".new")
        whole.write_text(json.dumps({"die_at": die_at}))
        whole.replace(self.orders)

    @property
    def points(self) -> list[str]:
        """The points that it has come to so far."""
        return list(dict.fromkeys(_lines(self.orders.with_name(self.orders.name + mortal.SEEN))))

    @property
    def died_at(self) -> list[str]:
        """The points that it has died at so far, the last one last."""
        return _lines(self.orders.with_name(self.orders.name + mortal.DIED))

    async def ready(self) -> None:
        """Wait until it serves, or has ended, as one may that dies at a point."""
        what = f"the {self.name} to serve; see {self.log}"
        await until(lambda: self.serves in self._said() or not self.is_running, what, READY_WITHIN)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.child is not None and self.child.process.returncode is None

    @property
    def pid(self) -> int:
        """Its process, the last that was started."""
        assert self.child is not None
        return self.child.process.pid

    async def ended(self, within: float) -> None:
        """Wait until it has ended, for so many seconds at most."""
        assert self.child is not None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.child.process.wait(), within)

    async def kill(self) -> None:
        """Kill it by -9, and nothing that lives in a session of its own."""
        if self.child is not None:
            await self.child.stop(signal.SIGKILL)

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        if self.is_running:
            os.killpg(self.pid, sign)

    def _said(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")


class Temporal:
    """The development server, with the same interface as another program."""

    name = "Temporal server"

    def __init__(self, folder: Path, port: int) -> None:
        """Take the folder of its database, and its port."""
        self.folder, self.port = folder, port
        self._server: DevServer | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        server = DevServer(self.folder, ATTRIBUTE_TYPES, port=self.port, headless=True)
        await server.__aenter__()
        assert not server.notes, server.notes
        self._server = server

    async def kill(self) -> None:
        """Kill it by -9."""
        server, self._server = self._server, None
        if server is not None:
            self.send(signal.SIGKILL)
            await server.__aexit__(None, None, None)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._server is not None and runs(self.pid)

    @property
    def pid(self) -> int:
        """Its process, the last that was started."""
        return int((self.folder / "temporal.pid").read_text())

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        os.killpg(self.pid, sign)


def build_clock(folder: Path) -> None:
    """Build the clock that can be wrong in a folder, if this machine has a compiler."""
    if compiler := shutil.which("cc"):
        command = [compiler, "-shared", "-fPIC", "-o", str(folder / CLOCK), str(CLOCK_SOURCE), "-ldl"]
        subprocess.run(command, check=True)


def ahead_by(seconds: int, folder: Path) -> dict[str, str]:
    """Return the variables with which a program's clock is ahead; the one that was built in ``folder`` sees to that."""
    return {"LD_PRELOAD": str(folder / CLOCK), "SEALFLOW_CLOCK_AHEAD": str(seconds)} if seconds else {}


async def until(condition: Callable[[], bool], what: str, within: float) -> None:
    """Wait for a condition. Fails after so many seconds."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"waited {within:.0f} s for {what}"
        await asyncio.sleep(0.05)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
