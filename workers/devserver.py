"""A Temporal development server for one machine: the ``temporal`` command, set up to be quick and to keep its data."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from sealing.cache import find_temporal
from workers.children import Child, ChildError

LOOPBACK = "127.0.0.1"
PORT = 7233
UI_PORT = 8233
NAMESPACE = "default"
"""The namespace that such a server always has."""

RETENTION = timedelta(days=90)
"""How long a closed workflow is kept; the server's own default is a day."""

LOOK_EVERY = 0.1
"""Seconds between two tries to reach a server that starts."""

STARTS = 3
"""How often the server is started, if it ends before it answers."""

KILL_WITHIN = 15.0
"""Seconds within which a server left by an earlier run must be gone."""

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")
"""Without these the server syncs each write, and a step takes several times as long."""

POLL_RATES = ("history.transferProcessorMaxPollRPS=1000", "history.timerProcessorMaxPollRPS=1000")
"""With the default of 20 each hop inside the server waits for a limiter, and a step takes 0.1 s."""


class DevServerError(ChildError):
    """The server cannot run; the text says why and what to do."""


def pick_port(preferred: int | None) -> int:
    """Return ``preferred`` if this machine has it free, else another free port."""
    if preferred is not None:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, preferred))
            return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class DevServer:
    """A server that runs while the ``async with`` block does, with its database and its log in ``folder``.

    ``search_attributes`` are names and types (``Keyword``, ``Bool``, …) to register. A port that is taken is replaced
    by another, and ``notes`` says so; None takes any free port. Raises DevServerError when the server does not answer
    ``within`` seconds or ends, and ProgramMissingError.
    """

    folder: Path
    search_attributes: Mapping[str, str] = field(default_factory=dict)
    port: int | None = PORT
    ui_port: int | None = UI_PORT
    headless: bool = False
    within: float = 60.0
    address: str = field(default="", init=False)
    """Where the server answers, ``host:port``."""
    ui_url: str = field(default="", init=False)
    """The Web UI's address, without a closing slash; empty when headless."""
    notes: list[str] = field(default_factory=list, init=False)
    """What people should be told about the start, such as ports that were taken."""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False, repr=False)

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self.folder.absolute() / "temporal.db"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "temporal.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "temporal.pid"

    async def __aenter__(self) -> Self:
        """Start the server and wait until it answers."""
        async with AsyncExitStack() as stack:
            self._own_folder(stack)
            await self._end_left_over()
            for others in reversed(range(STARTS)):
                try:
                    await self._start_one(stack)
                    break
                except DevServerError:
                    raise
                except ChildError:
                    # It takes more ports by itself, and somebody else may have taken one of them in that moment.
                    if not others:
                        raise
            self._stack = stack.pop_all()
        return self

    async def _start_one(self, stack: AsyncExitStack) -> None:
        self.notes.clear()
        child = await self._start()
        stack.push_async_callback(child.stop)
        self._pid_file.write_text(str(child.process.pid))
        try:
            await asyncio.wait_for(self._until_ready(child), self.within)
        except TimeoutError:
            raise DevServerError(
                f"Temporal does not answer on {self.address} after {self.within:.0f} s; {self.log}:\n{child.tail()}"
            ) from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server and all that belongs to it."""
        await self._stack.aclose()
        self._pid_file.unlink(missing_ok=True)

    def _own_folder(self, stack: AsyncExitStack) -> None:
        """Hold the folder while this process lives: two servers on one database would spoil it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context((self.folder / ".lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevServerError(f"{self.folder} is in use by another sealflow; end it or use another folder") from None

    async def _end_left_over(self) -> None:
        """End the server of an earlier run that was killed before it could: the process that names our database."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(self._pid_file.read_text())
            if not self._is_ours(pid):
                return
            os.killpg(pid, signal.SIGKILL)
            give_up = asyncio.get_running_loop().time() + KILL_WITHIN
            while _runs(pid):
                if asyncio.get_running_loop().time() > give_up:
                    raise DevServerError(f"the Temporal server of an earlier run, process {pid}, does not end; kill it")
                await asyncio.sleep(LOOK_EVERY)

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.database).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False

    async def _start(self) -> Child:
        port = self._take("Temporal", self.port)
        self.address = f"{LOOPBACK}:{port}"
        argv = [str(find_temporal()), "server", "start-dev", "--ip", LOOPBACK, "--port", str(port)]
        argv += ["--db-filename", str(self.database)]
        if self.headless:
            argv.append("--headless")
        else:
            ui_port = self._take("its Web UI", self.ui_port)
            self.ui_url = f"http://{LOOPBACK}:{ui_port}"
            argv += ["--ui-port", str(ui_port)]
        for pragma in PRAGMAS:
            argv += ["--sqlite-pragma", pragma]
        for rate in POLL_RATES:
            argv += ["--dynamic-config-value", rate]
        for name, kind in self.search_attributes.items():
            argv += ["--search-attribute", f"{name}={kind}"]
        return await Child.start("Temporal server", argv, self.log)

    def _take(self, who: str, preferred: int | None) -> int:
        port = pick_port(preferred)
        if preferred not in {None, port}:
            self.notes.append(f"port {preferred} is taken: {who} takes {port}")
        return port

    async def _until_ready(self, child: Child) -> None:
        """Wait until the server answers and keeps closed workflows long enough. Raises ChildError if it ends."""
        while True:
            child.check()
            with contextlib.suppress(RuntimeError, RPCError):
                client = await Client.connect(self.address, namespace=NAMESPACE)
                await client.workflow_service.update_namespace(_retention_request())
                return
            await asyncio.sleep(LOOK_EVERY)


def _runs(pid: int) -> bool:
    """Tell whether a process still holds its files and ports; one that waits only to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _retention_request() -> UpdateNamespaceRequest:
    ttl = Duration()
    ttl.FromTimedelta(RETENTION)
    return UpdateNamespaceRequest(namespace=NAMESPACE, config=NamespaceConfig(workflow_execution_retention_ttl=ttl))
