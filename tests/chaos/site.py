"""What is under attack: a Temporal server with its own database, an embedded manager, a worker; all are programs."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sqlite3
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from sealing.cache import find_processor
from sealing.devnet.config import DevnetConfig
from sealing.devnet.deals import add_deal
from sealing.processors.programs import SIMULATED
from tests.chaos import mortal
from tests.chaos.programs import CLOCK, Program, Temporal, build_clock, until
from tests.world.relay import Relay, relayed
from workers.devserver import pick_port

NAME = "besieged"
FLEET = "fleet-besieged"
MINER = 1000
DEAL_BYTES = 1000
"""Less than a sector holds."""

BOOT_ID = "boot-id"
STEPS = 2
"""How many reports of a sector must come for it to have gone on: the first may be of a step that had ended before."""
REAL = 5
"""How many times longer all may take with the real processor: its C2 alone takes a minute, and several wait in turn."""
UNDER_WAY = (
    "SELECT sector, count(number) AS reports FROM (SELECT name AS sector FROM sectors WHERE ended IS NULL"
    " UNION SELECT sector FROM upgrades WHERE ended IS NULL) LEFT JOIN reports USING (sector) GROUP BY sector"
)

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

    def takes(self, seconds: float) -> float:
        """Return how long something may take here that may take so long with the simulated processor."""
        return seconds * REAL if self.real else seconds

    @property
    def has_clock(self) -> bool:
        """Whether the programs can be given a wrong clock."""
        return (self.folder / CLOCK).exists()

    @property
    def journal(self) -> Path:
        """What the processors have begun and completed."""
        return self.folder / "journal"

    @property
    def devnet(self) -> DevnetConfig:
        """The embedded manager's configuration."""
        return DevnetConfig.model_validate_json((self.folder / "devnet.json").read_text())

    def restart_machine(self) -> None:
        """Let this be another run of the machine, for the worker and the jobs that are started next."""
        (self.folder / BOOT_ID).write_text(f"{uuid.uuid4()}\n")

    def note_broken(self, job: Path) -> None:
        """Write into the journal that a job's output is broken: it must be run again."""
        with self.journal.open("a") as journal:
            journal.write(json.dumps({"what": "broken", "job": str(job)}) + "\n")

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

    @property
    def programs(self) -> tuple[Program | Temporal, ...]:
        """All that is killed and started again."""
        return self.temporal, self.manager, self.worker

    def progress(self) -> int:
        """Return a number that grows whenever a sector goes on: the reports that have come to the manager."""
        return int(self.ask("SELECT count(*) FROM reports")[0][0])

    def under_way(self) -> dict[str, int]:
        """Return each sector that is being sealed or upgraded, with how many reports of it have come."""
        return {row["sector"]: row["reports"] for row in self.ask(UNDER_WAY)}

    def tasks(self) -> Iterator[tuple[str, str | None]]:
        """Yield the tasks that the manager has given out, each with how it has ended."""
        for row in self.ask("SELECT name, ended FROM sectors"):
            yield f"sealer-{row['name'].removeprefix('s-')}", row["ended"]
        for row in self.ask("SELECT sector, ended FROM upgrades"):
            yield f"snapup-{row['sector'].removeprefix('s-')}", row["ended"]

    def standing(self, before: Mapping[str, int]) -> list[str]:
        """Return the sectors that are under way and have not gone on since they were."""
        now = self.under_way()
        return [sector for sector, reports in before.items() if sector in now and now[sector] < reports + STEPS]

    async def went_on(self, within: float) -> float:
        """Wait until each sector that is under way has gone on or has ended, and return the seconds. One always is."""
        began, within = time.monotonic(), self.takes(within)
        await until(lambda: bool(self.under_way()), "a sector to be under way", within)
        before = self.under_way()
        with contextlib.suppress(AssertionError):  # which they are is told
            await until(lambda: not self.standing(before), "", within)
        if standing := self.standing(before):
            raise AssertionError(f"{', '.join(standing)} did not go on within {within:.0f} s; see {self.worker.log}")
        return time.monotonic() - began

    def write(self, sectors: int | None, heartbeat: str) -> None:
        """Write the configurations, the processor's program and the folders."""
        for path in (self.store, *self.locations):
            path.mkdir(parents=True, exist_ok=True)
        program = (str(find_processor(None)),) if self.real else SIMULATED
        journaled = [*SIMULATED[:-1], str(Path(__file__).with_name("journaled.py")), str(self.journal), *program, "--"]
        others = f'exec {shlex.join(program)} "$@"' if self.real else "exit 0"  # such as: are the parameters there?
        script = self.folder / "processor"
        script.write_text(
            f'#!/bin/sh\ncase " $* " in\n*" --task "*) {shlex.join(journaled)} "$@"; exit ;;\n*) {others} ;;\nesac\n'
        )
        script.chmod(0o755)
        build_clock(self.folder)
        self.restart_machine()
        for ours in (self.manager, self.worker):
            ours.order()
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
        env = {"SEALFLOW_SIMULATED": str(folder / "simulated.json"), "SEALFLOW_BOOT_ID": str(folder / BOOT_ID)}
        sealflow = [sys.executable, "-m", mortal.__name__]
        worker = [*sealflow, "worker", "-c", str(folder / "worker.toml"), "run"]
        devnet = [*sealflow, "devnet", "-c", str(folder / "devnet.json"), "run"]
        made = Site(
            folder,
            Temporal(folder / "temporal", ports[0]),
            Program("manager", devnet, "embedded manager ready", folder / "manager.log", folder / "manager.json"),
            Program("worker", worker, "serves queues", folder / "worker.log", folder / "worker.json", env),
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
