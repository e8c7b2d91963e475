"""A folder of the demo or the stack: where each part keeps its data, and the configuration files of its programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sealing.devnet.config import DevnetConfig
from sealing.devnet.database import FILE as DATABASE
from sealing.devnet.queries import Observer

MANAGER_PORT = 1789
SECTOR_SIZE = "2KiB"
THREADS = 2
EPOCH_SECONDS = 1.0
"""The demo's chain is quick: an epoch a second, and a seed a few epochs after the pre-commit landed."""
SEED_DELAY = 5
TICKET_LIFETIME = 100_000
"""Epochs: the proof parameters may take half an hour to make while a ticket waits."""

WORKER_TOML = """\
# Written anew at every start.
[worker]
name = "{name}"
rpc_server.port = 0

[sector_manager]
rpc_client.addr = "{manager}"

[sealing]
allowed_sizes = ["2KiB"]
seal_interval = "1s"
recover_interval = "2s"
rpc_polling_interval = "250ms"
{threads}
[[attached]]
name = "store"
location = "{store}"

{metrics}
[processors]
{program}
[processors.limitation.concurrent]
pc1 = 2
pc2 = 1
snap_prove = 1
c2 = 1

[temporal]
address = "{temporal}"

[policy]
resubmit_interval = "2s"
"""


@dataclass(frozen=True)
class DemoFiles:
    """The paths below the folder."""

    root: Path
    name: str = "demo"
    """The worker's."""

    @property
    def temporal(self) -> Path:
        """The Temporal server's folder."""
        return self.root / "temporal"

    @property
    def manager(self) -> Path:
        """The embedded manager's folder."""
        return self.root / "manager"

    @property
    def devnet(self) -> Path:
        """The embedded manager's configuration."""
        return self.root / "devnet.json"

    @property
    def worker(self) -> Path:
        """The worker's configuration."""
        return self.root / "worker.toml"

    @property
    def run(self) -> Path:
        """What is remembered of a run until it has come to its end."""
        return self.root / "run.json"

    @property
    def store(self) -> Path:
        """The permanent store."""
        return self.root / "store"

    @property
    def locations(self) -> list[Path]:
        """The threads' locations."""
        return [self.root / "threads" / str(index) for index in range(THREADS)]

    @property
    def upgrading(self) -> Path:
        """The location of the thread that upgrades."""
        return self.root / "threads" / "upgrade"

    def log(self, name: str) -> Path:
        """Return the log of one of the demo's programs."""
        return self.root / "logs" / f"{name}.log"

    def make(self) -> None:
        """Make the folders that must be there."""
        for folder in (*self.locations, self.upgrading, self.store, self.manager):
            folder.mkdir(parents=True, exist_ok=True)

    def ended(self, began: float) -> int:
        """Return how many sectors had ended when a run began, in seconds since 1970."""
        if not (self.manager / DATABASE).exists():
            return 0
        return sum(row.ended_at is not None and row.ended_at < began for row in Observer(self.manager).sectors())

    def write_devnet(self, port: int, most: int, *, synthetic: bool, simulated: bool) -> DevnetConfig:
        """Write the embedded manager's configuration. ``most`` is how many sectors it ever hands out."""
        config = DevnetConfig(
            data=self.manager,
            port=port,
            proof_types=(10 if synthetic else 5,),
            max_sectors=most,
            stores={"store": self.store},
            epoch_seconds=EPOCH_SECONDS,
            ticket_lifetime=TICKET_LIFETIME,
            seed_delay=SEED_DELAY,
            verifier="simulated" if simulated else "crate",
        )
        self.devnet.write_text(config.model_dump_json(indent=2))
        return config

    def write_worker(self, temporal: str, manager: str, program: str | None, metrics: str | None = None) -> None:
        """Write the worker's configuration; ``metrics`` is the ``host:port`` where they are served, if they are."""
        threads = "".join(f"\n[[sealing_thread]]\nlocation = {json.dumps(str(path))}\n" for path in self.locations)
        threads += f'\n[[sealing_thread]]\nlocation = {json.dumps(str(self.upgrading))}\nplan = "snapup"\n'
        self.worker.write_text(
            WORKER_TOML.format(
                name=self.name,
                manager=manager,
                threads=threads,
                store=self.store,
                program=f"program = {json.dumps(program)}\n" if program else "",
                temporal=temporal,
                metrics=f'[metrics]\nenable = true\nhttp_listen = "{metrics}"\n' if metrics else "",
            )
        )
