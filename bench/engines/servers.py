"""The servers that the contenders need, each with its data in one folder and nothing of it in memory alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client

from bench.cpu import cpu_of_all
from deploy.stack.namespace import make_namespace
from deploy.stack.part import Part, reached
from deploy.stack.ports import Ports, free_ports
from deploy.stack.postgres import USER, Postgres
from deploy.stack.programs import with_this_process
from deploy.stack.temporal import TemporalServer
from sealing.cache import ProgramMissingError, cache_dir
from workers.devserver import LOOPBACK, NAMESPACE


class RestateServer(Part):
    """Restate's server as it is without configuration, but for its ports and that it tells nobody of itself."""

    name = "Restate server"

    def __init__(self, folder: Path, log: Path) -> None:
        """Take where its data and its log go."""
        super().__init__(folder, log)
        found = free_ports()
        self.ingress, self.admin, self.service, self.node = (next(found) for _ in range(4))

    def argv(self) -> list[str]:
        """Return how it is started."""
        program = shutil.which(cache_dir() / "restate" / "restate-server")
        if program is None:
            raise ProgramMissingError(f"restate-server is missing (looked in {cache_dir()}); run: scripts/restate.sh")
        where = ["--base-dir", str(self.folder), "--listen-mode", "tcp", "--bind-ip", LOOPBACK]
        argv = [program, "--no-logo", "--node-name", "bench", "--bind-port", str(self.node), *where]
        return with_this_process(argv, "KILL")

    def environment(self) -> Mapping[str, str]:
        """Return its ports, and that it is to keep its telemetry to itself."""
        return {
            "RESTATE_INGRESS__BIND_PORT": str(self.ingress),
            "RESTATE_ADMIN__BIND_PORT": str(self.admin),
            "RESTATE_DISABLE_TELEMETRY": "true",
        }

    async def answers(self) -> bool:
        """Tell whether both of its doors are open."""
        doors = (f"{self.settings['restate']}/restate/health", f"{self.settings['restate_admin']}/health")
        return all([await reached(door) for door in doors])

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the contender is told."""
        return {
            "restate": f"http://{LOOPBACK}:{self.ingress}",
            "restate_admin": f"http://{LOOPBACK}:{self.admin}",
            "restate_service": self.service,
        }


@dataclass(frozen=True)
class Servers:
    """What runs, by name, and what the contenders are told of it."""

    parts: Mapping[str, Part]
    settings: Mapping[str, Any]

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each has used."""
        return {name: cpu_of_all(part.child.process.pid) for name, part in self.parts.items() if part.child}


@asynccontextmanager
async def servers(folder: Path, wanted: Collection[str]) -> AsyncIterator[Servers]:
    """Run the servers that are named. Raises what the stack raises."""
    ports = Ports.free()
    postgres = Postgres(folder / "postgres", folder / "postgres.log", ports.postgres)
    temporal = TemporalServer(folder / "temporal", folder / "temporal.log", ports, postgres)
    restate = RestateServer(folder / "restate", folder / "restate.log")
    parts: dict[str, Part] = {"postgres": postgres, "temporal": temporal, "restate": restate}
    async with AsyncExitStack() as running:
        for part in (part for name, part in parts.items() if name in wanted):
            running.push_async_callback(part.stop)
            await part.start()
        if "temporal" in wanted:
            await make_namespace(await Client.connect(temporal.address, namespace=NAMESPACE))
        named = {name: part for name, part in parts.items() if name in wanted}
        yield Servers(named, {**settings_of(postgres, temporal), **restate.settings})


def settings_of(postgres: Postgres, temporal: TemporalServer) -> Mapping[str, Any]:
    """Return what contenders are told of the two, and a miner that nobody else has there."""
    database = f"postgresql://{USER}:{postgres.password}@{LOOPBACK}:{postgres.port}/bench"
    return {"temporal": temporal.address, "miner": 3_000_000 + os.getpid(), "postgres": database}
