"""The worker's configuration as frozen models: damocles' worker's tables and keys, and our own beside them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sealing.cache import cache_dir
from sealing.config.fields import SHARED_STAGES
from sealing.config.machine import Metrics, SectorManager, Worker
from sealing.config.ours import Policy, Temporal
from sealing.config.problems import ConfigError, Note, Problem
from sealing.config.processors import Processors
from sealing.config.scanned import scan
from sealing.config.stores import Attached, AttachedSelection
from sealing.config.tables import Table
from sealing.config.threads import HotThread, Sealing, Thread
from sealing.sector import Settings

NO_MANAGER = 'add [sector_manager] with rpc_client.addr, such as "/ip4/127.0.0.1/tcp/1789"'


class Contents(Table):
    """What a file holds."""

    worker: Worker = Field(default_factory=Worker)
    """This machine."""
    metrics: Metrics = Metrics()
    """Metrics for Prometheus."""
    sector_manager: SectorManager | None = None
    """The manager. Only a machine without a thread, which proves for others, needs none."""
    sealing: Sealing = Sealing()
    """Settings of all threads."""
    sealing_thread: tuple[Thread, ...] = ()
    """The threads: each holds one sector at a time. Only a machine that proves for others needs none."""
    attached: tuple[Attached, ...] = ()
    """The permanent stores in which sectors end up, and those that are only read."""
    attached_selection: AttachedSelection = AttachedSelection()
    """How a store is chosen."""
    processors: Processors = Processors()
    """The programs of the stages, and what may run at once."""
    temporal: Temporal = Temporal()
    """Where the Temporal server is."""
    policy: Policy = Policy()
    """What to do where the other worker gives no choice."""


class Config(Contents):
    """A configuration that is right, the file that it came from, and what in it deserves a look."""

    file: Path
    """Where it was read."""
    notes: tuple[Note, ...] = ()
    """What in it deserves a look."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, a line each."""
        return tuple(map(str, self.notes))

    @property
    def manager(self) -> SectorManager:
        """The manager. Raises ConfigError for a machine that has none, since it only proves for others."""
        if self.sector_manager is None:
            raise ConfigError(self.file, (Problem(self.file, "sector_manager", "", NO_MANAGER),))
        return self.sector_manager

    def stores(self) -> tuple[Attached, ...]:
        """Return every store of this machine: those of the file, and those that ``scan_persist_stores`` finds now."""
        return (*self.attached, *scan(self.worker.scan_persist_stores, self.attached).stores)

    def heated(self, index: int, by: HotThread | None) -> Config:
        """Return the configuration as the ``config.toml`` in the location of thread ``index`` changes it."""
        threads = list(self.sealing_thread)
        threads[index] = threads[index].heated(by)
        return self.model_copy(update={"sealing_thread": tuple(threads)})

    @property
    def serves(self) -> tuple[str, ...]:
        """The SHARED_STAGES that this machine runs for all."""
        if self.sealing_thread and not self.temporal.shared_c2:
            return ()
        return tuple(stage for stage in SHARED_STAGES if self.processors.of(stage))

    @property
    def pool_folder(self) -> Path:
        """The folder in which this machine computes for others."""
        return self.temporal.pool_folder or cache_dir() / "pool" / self.worker.name

    def sealing_of(self, index: int) -> Sealing:
        """Return the sealing settings of thread ``index``: the file's, and its own over them."""
        return self.sealing.overridden(self.sealing_thread[index].sealing)

    def thread_settings(self, index: int) -> Settings:
        """Return what a task that thread ``index`` starts is told."""
        sealing = self.sealing_of(index)
        shared = Sealing.model_fields.keys() & Settings.model_fields.keys()
        return Settings(
            expired_ticket=self.policy.expired_ticket,
            ticket_lifetime=self.policy.ticket_lifetime,
            resubmit_interval=self.policy.resubmit_interval,
            abort_patience=self.policy.abort_patience,
            heartbeat_timeout=self.temporal.heartbeat_timeout,
            pools={stage: self.temporal.shared_queue(stage) for stage in SHARED_STAGES if self.temporal.shared_c2},
            **{name: getattr(sealing, name) for name in shared},
        )
