"""What is under attack: a Temporal server with its own database, an embedded manager, a worker; all are programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from sealing.cache import find_processor
from sealing.devnet.config import DevnetConfig
from sealing.devnet.deals import add_deal
from sealing.processors.programs import SIMULATED
from tests.chaos import mortal
from tests.world.relay import Relay, relayed
from workers.children import Child
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer, pick_port

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"
NAME = "besieged"
FLEET = "fleet-besieged"
MINER = 1000
DEAL_BYTES = 1000
"""Less than a sector holds."""
READY_WITHIN = 90.0
"""Seconds in which a program must serve after its start, on a machine that does much else."""

TOML = """\
[worker]
name = "{name}"
rpc_server.port = 0
[sector_manager]
rpc_client.addr = "http://127.0.0.1:{manager}"
[sealing]
seal_interval = "50ms"
recover_interval = "100ms"
max_retries = 100
rpc_polling_interval = "50ms"
{threads}
[[attached]]
name = "store"
location = "{store}"
[processors]
program = "{program}"
[temporal]
address = "127.0.0.1:{temporal}"
task_queue = "{fleet}"
heartbeat_timeout = "{heartbeat}"
[policy]
resubmit_interval = "50ms"
"""


@dataclass
class Program:
    """One of ours that is killed and started again. It serves when its log says so."""

    name: str
    argv: list[str]
    serves: str
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    child: Child | None = None
    _from: int = 0

    async def start(self) -> None:
        """Start it."""
        self._from = self.log.stat().st_size if self.log.exists() else 0
        self.child = await Child.start(self.name, self.argv, self.log, self.env)

    async def ready(self) -> None:
        """Wait until it serves, or has ended, as one may that dies at a point."""
        what = f"the {self.name} to serve; see {self.log}"
        await until(lambda: self.serves in self._said() or not self.is_running, what, READY_WITHIN)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.child is not None and self.child.process.returncode is None

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
        assert self.child is not None
        if self.is_running:
            os.killpg(self.child.process.pid, sign)

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

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal."""
        os.killpg(int((self.folder / "temporal.pid").read_text()), sign)


@dataclass
class Site:
    """The programs, the wires between them, and their folders."""

    folder: Path
    temporal: Temporal
    manager: Program
    worker: Program
    to_temporal: Relay
    to_manager: Relay
    threads: int
    real: bool
    upgrades: bool
    """Whether the last thread upgrades sectors instead of sealing new ones."""

    @property
    def journal(self) -> Path:
        """What the processors have begun and completed."""
        return self.folder / "journal"

    @property
    def devnet(self) -> DevnetConfig:
        """The embedded manager's configuration."""
        return DevnetConfig.model_validate_json((self.folder / "devnet.json").read_text())

    @property
    def points(self) -> list[str]:
        """The points that the worker has come to so far."""
        seen = self.folder / "mortal.json.seen"
        return list(dict.fromkeys(seen.read_text().splitlines())) if seen.exists() else []

    def order(self, *, die_at: str | None = None, clock: float = 0.0) -> None:
        """Say where the worker that is started next dies, and how many seconds its clock is ahead."""
        (self.folder / "mortal.json").write_text(json.dumps({"die_at": die_at, "clock": clock}))

    def limit(self, sectors: int | None) -> None:
        """Say how many sectors the manager that is started next gives out in all."""
        (self.folder / "devnet.json").write_text(json.dumps(self._devnet(sectors)))

    def ask(self, question: str, *given: object) -> list[sqlite3.Row]:
        """Ask the manager's database."""
        link = sqlite3.connect(f"file:{self.folder / 'devnet' / 'devnet.sqlite'}?mode=ro", uri=True, timeout=10)
        link.row_factory = sqlite3.Row
        try:
            return link.execute(question, given).fetchall()
        finally:
            link.close()

    def deal(self) -> None:
        """Make a deal for the next upgrade, if none waits for one."""
        if self.upgrades and not self.ask("SELECT 1 FROM deals WHERE sector IS NULL"):
            data = self.folder / "deal"
            data.write_bytes(os.urandom(DEAL_BYTES))
            add_deal(self.devnet, data)

    def withdraw_deals(self) -> None:
        """Take back the deals that wait, so that no further upgrade begins. For while the manager is away."""
        with closing(sqlite3.connect(self.folder / "devnet" / "devnet.sqlite", timeout=10)) as link, link:
            link.execute("DELETE FROM deals WHERE sector IS NULL")

    def progress(self) -> int:
        """Return a number that grows whenever a sector goes on: the reports that have come to the manager."""
        return int(self.ask("SELECT count(*) FROM reports")[0][0])

    def write(self, sectors: int | None, heartbeat: str) -> None:
        """Write the configurations, the processor's program and the folders."""
        for path in (self.store, *self.locations):
            path.mkdir(parents=True, exist_ok=True)
        program = (str(find_processor(None)),) if self.real else SIMULATED
        journaled = [*SIMULATED[:-1], str(Path(__file__).with_name("journaled.py")), str(self.journal), *program, "--"]
        others = f'exec {shlex.join(program)} "$@"' if self.real else "exit 0"  # such as: are the parameters there?
        script = self.folder / "processor"
        script.write_text(
            f'#!/bin/sh\ncase " $* " in\n*" --task "*) exec {shlex.join(journaled)} "$@" ;;\n*) {others} ;;\nesac\n'
        )
        script.chmod(0o755)
        self.order()
        self.limit(sectors)
        sealer, upgrader = "[[sealing_thread]]\n", '[[sealing_thread]]\nplan = "snapup"\n'
        plans = [sealer] * (self.threads - self.upgrades) + [upgrader] * self.upgrades
        threads = "".join(f'{plan}location = "{path}"\n' for plan, path in zip(plans, self.locations, strict=True))
        (self.folder / "worker.toml").write_text(
            TOML.format(
                name=NAME,
                fleet=FLEET,
                manager=self.to_manager.port,
                temporal=self.to_temporal.port,
                threads=threads,
                heartbeat=heartbeat,
                store=self.store,
                program=script,
            )
        )

    @property
    def store(self) -> Path:
        """The permanent store."""
        return self.folder / "store"

    @property
    def locations(self) -> list[Path]:
        """The threads' locations."""
        return [self.folder / "threads" / str(index) for index in range(self.threads)]

    def _devnet(self, sectors: int | None) -> dict[str, object]:
        return {
            "data": str(self.folder / "devnet"),
            "port": self.to_manager.target,
            "miner": MINER,
            "epoch_seconds": 0.05,
            "seed_delay": 2,
            "ticket_lifetime": 1_000_000,
            "max_sectors": sectors,
            "verifier": "crate" if self.real else "simulated",
            "stores": {"store": str(self.store)},
        }


@asynccontextmanager
async def site(  # noqa: PLR0913 - what a site can have
    folder: Path,
    *,
    threads: int = 4,
    real: bool = False,
    sectors: int | None = None,
    heartbeat: str = "2s",
    upgrades: bool = False,
) -> AsyncIterator[Site]:
    """Build a site and run it; ``sectors`` are given out at most. What still runs at the end, jobs apart, is killed."""
    ports = pick_port(None), pick_port(None)
    async with AsyncExitStack() as stack:
        to_temporal, to_manager = [await stack.enter_async_context(relayed(port)) for port in ports]
        env = {mortal.VARIABLE: str(folder / "mortal.json"), "SEALFLOW_SIMULATED": str(folder / "simulated.json")}
        worker = [sys.executable, "-m", mortal.__name__, "worker", "-c", str(folder / "worker.toml"), "run"]
        devnet = [str(SEALFLOW), "devnet", "-c", str(folder / "devnet.json"), "run"]
        made = Site(
            folder,
            Temporal(folder / "temporal", ports[0]),
            Program("manager", devnet, "embedded manager ready", folder / "manager.log"),
            Program("worker", worker, "serves queues", folder / "worker.log", env),
            to_temporal,
            to_manager,
            threads,
            real,
            upgrades,
        )
        folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else is to be done meanwhile
        made.write(sectors, heartbeat)
        for program in (made.temporal, made.manager, made.worker):
            stack.push_async_callback(program.kill)
            await program.start()
        await made.manager.ready()
        await made.worker.ready()
        yield made


async def until(condition: Callable[[], bool], what: str, within: float) -> None:
    """Wait for a condition. Fails after so many seconds."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"waited {within:.0f} s for {what}"
        await asyncio.sleep(0.05)
