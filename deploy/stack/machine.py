"""What seals on the stack: the embedded manager and one worker, as the programs that they are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.part import Part, reached
from deploy.stack.ports import Ports
from sealing.config import SIMULATED
from workers.demofiles import DemoFiles
from workers.devserver import LOOPBACK

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"


@dataclass(frozen=True)
class Work:
    """What the machine does."""

    sectors: int = 2
    """How many sectors the embedded manager hands out in all."""
    processor: str | None = None
    """Another program for the stages; ``simulated`` computes nothing."""


class EmbeddedManager(Part):
    """The manager with its chain."""

    name = "embedded manager"

    def __init__(self, files: DemoFiles, port: int, work: Work) -> None:
        """Take the machine's files, where it listens, and what it hands out."""
        super().__init__(files.manager, files.log("manager"))
        self.files = files
        self.port = port
        self.work = work

    @property
    def url(self) -> str:
        """Its address, without a closing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    def argv(self) -> list[str]:
        """Return how it is started."""
        return [str(SEALFLOW), "devnet", "-c", str(self.files.devnet), "run"]

    async def prepare(self) -> None:
        """Write its configuration."""
        self.files.make()
        simulated = self.work.processor == SIMULATED
        self.files.write_devnet(self.port, self.work.sectors, synthetic=False, simulated=simulated)

    async def answers(self) -> bool:
        """Tell whether it serves; it refuses what is no call."""
        return await reached(self.url, good=False)


class SealingWorker(Part):
    """The worker with its threads; what it computes goes on when it ends."""

    name = "worker"

    def __init__(self, files: DemoFiles, ports: Ports, temporal: str, manager: str, work: Work) -> None:
        """Take the machine's files, where its metrics are, whom it works for, and with what."""
        super().__init__(files.root, files.log("worker"))
        self.files = files
        self.metrics = f"{LOOPBACK}:{ports.worker_metrics}"
        self.temporal = temporal
        self.manager = manager
        self.work = work

    def argv(self) -> list[str]:
        """Return how it is started."""
        return [str(SEALFLOW), "worker", "-c", str(self.files.worker), "run"]

    async def prepare(self) -> None:
        """Write its configuration."""
        self.files.write_worker(self.temporal, self.manager, self.work.processor, self.metrics)

    async def answers(self) -> bool:
        """Tell whether its metrics are there: then it works."""
        return await reached(f"http://{self.metrics}/metrics")
