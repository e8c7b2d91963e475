"""The stack as a whole: its programs in the order in which they need each other."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from temporalio.client import Client

from deploy.stack.machine import EmbeddedManager, SealingWorker, Work
from deploy.stack.namespace import make_namespace
from deploy.stack.part import Part, StackError
from deploy.stack.ports import Ports
from deploy.stack.postgres import Postgres
from deploy.stack.prometheus import Prometheus
from deploy.stack.temporal import TemporalServer
from deploy.stack.webui import WebUi
from workers.demofiles import DemoFiles
from workers.devserver import LOOPBACK, NAMESPACE

LOGS = "logs"


@dataclass
class Stack:
    """Everything, while the ``async with`` block runs; all that it knows is in ``folder`` and is taken up again.

    Without ``work`` there is no manager and no worker: a test brings its own. ``durable`` is as Postgres has it.
    Raises StackError and other ChildErrors, PortsTakenError and ProgramMissingError.
    """

    folder: Path
    ports: Ports = field(default_factory=Ports)
    work: Work | None = field(default_factory=Work)
    durable: bool = True
    postgres: Postgres = field(init=False)
    temporal: TemporalServer = field(init=False)
    web_ui: WebUi = field(init=False)
    prometheus: Prometheus = field(init=False)
    machine: list[Part] = field(init=False)
    """The manager and the worker."""
    _running: AsyncExitStack = field(default_factory=AsyncExitStack, init=False, repr=False)

    def __post_init__(self) -> None:
        """Lay out the parts. Nothing is started, nothing written."""
        self.folder, ports = self.folder.absolute(), self.ports
        self.postgres = Postgres(*self._places("postgres"), ports.postgres, durable=self.durable)
        self.temporal = TemporalServer(*self._places("temporal"), ports, self.postgres)
        self.web_ui = WebUi(*self._places("web-ui"), ports.web_ui, self.temporal.address)
        targets = {"sealflow": ports.worker_metrics, "temporal": ports.temporal_metrics}
        self.prometheus = Prometheus(*self._places("prometheus"), ports.prometheus, targets)
        self.machine = [] if self.work is None else self._machine(self.work)

    def _places(self, name: str) -> tuple[Path, Path]:
        return self.folder / name, self.folder / LOGS / f"{name}.log"

    def _machine(self, work: Work) -> list[Part]:
        files = DemoFiles(self.folder / "machine", "stack")
        manager = EmbeddedManager(files, self.ports.manager, work)
        return [manager, SealingWorker(files, self.ports, self.temporal.address, manager.url, work)]

    @property
    def parts(self) -> list[Part]:
        """All programs, in the order in which they are started."""
        return [self.postgres, self.temporal, self.web_ui, self.prometheus, *self.machine]

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where everything is: Temporal as ``host:port``, the others as URLs."""
        web = {"temporal": self.temporal.address, "web_ui": self.web_ui.url, "prometheus": self.prometheus.url}
        own = {part.name.split()[-1]: part.url for part in self.machine if isinstance(part, EmbeddedManager)}
        return {**web, **own, "temporal_metrics": f"http://{LOOPBACK}:{self.ports.temporal_metrics}/metrics"}

    async def __aenter__(self) -> Self:
        """Start one after the other."""
        async with AsyncExitStack() as running:
            self._own_folder(running)
            self.ports.check()
            self.check_programs()
            for part in self.parts:
                running.push_async_callback(part.stop)
                await part.start()
                if part is self.temporal:
                    await make_namespace(await Client.connect(self.temporal.address, namespace=NAMESPACE))
            self._running = running.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all, the last that was started first."""
        await self._running.aclose()

    def check_programs(self) -> None:
        """See that each program is there. Raises ProgramMissingError."""
        for part in self.parts:
            part.argv()

    def check(self) -> None:
        """Raise ChildError if one of the programs has ended."""
        for part in self.parts:
            part.check()

    def _own_folder(self, running: AsyncExitStack) -> None:
        """Hold the folder while this process lives."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = running.enter_context((self.folder / ".lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"{self.folder} is in use by another stack; end it or use another --folder") from None
