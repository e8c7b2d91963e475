"""The worker's configuration as frozen models: damocles' worker's tables and keys, and our own beside them."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from sealing.addresses import http_base
from sealing.cache import cache_dir
from sealing.config.fields import (
    SHARED_STAGES,
    ActorId,
    Count,
    CountOrNone,
    Duration,
    Exchange,
    FilePath,
    HostPort,
    HttpAddress,
    Plan,
    Port,
    QueueName,
    Size,
    SizeName,
    StageName,
    Token,
)
from sealing.proofs import proof_types
from sealing.sector import Settings
from sealing.values import Frozen


class Table(Frozen):
    """Base of the tables. An unknown key is noticed here; the reader makes a warning of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RpcServer(Table):
    """Where the worker serves its own JSON-RPC."""

    host: str = "127.0.0.1"
    port: Port = 17890


class Worker(Table):
    """``[worker]``. The name is also the name of the machine's task queue."""

    name: QueueName = Field(default_factory=socket.gethostname)
    rpc_server: RpcServer = RpcServer()
    local_pieces_dir: FilePath | None = None
    local_pieces_dirs: tuple[FilePath, ...] = ()
    scan_persist_stores: tuple[str, ...] = ()
    ping_interval: Duration = timedelta(seconds=30)

    @property
    def pieces_folders(self) -> tuple[Path, ...]:
        """Where the data of pieces may be on this machine, each folder once; the older name's comes last."""
        older = () if self.local_pieces_dir is None else (self.local_pieces_dir,)
        return tuple(dict.fromkeys((*self.local_pieces_dirs, *older)))


class Metrics(Table):
    """``[metrics]``."""

    enable: bool = False
    http_listen: HostPort = "0.0.0.0:9000"


class RpcClient(Table):
    """``[sector_manager.rpc_client]``."""

    addr: HttpAddress
    headers: dict[str, str] = Field(default={}, repr=False)


class SectorManager(Table):
    """``[sector_manager]``."""

    rpc_client: RpcClient
    piece_token: Token | None = Field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The manager's URL, without the path of its JSON-RPC."""
        return http_base(self.rpc_client.addr)


class Sealing(Table):
    """``[sealing]``, and the ``sealing.*`` of a thread, of which the keys that are set override."""

    allowed_miners: tuple[ActorId, ...] = ()
    allowed_sizes: tuple[SizeName, ...] = ()
    enable_deals: bool = False
    disable_cc: bool = False
    max_deals: Count | None = None
    min_deal_space: Size | None = None
    max_retries: CountOrNone = 5
    seal_interval: Duration = timedelta(seconds=30)
    recover_interval: Duration = timedelta(seconds=60)
    rpc_polling_interval: Duration = timedelta(seconds=180)
    ignore_proof_check: bool = False
    request_task_max_retries: CountOrNone = 3
    verify_after_pc2: bool = False

    def overridden(self, by: Sealing) -> Sealing:
        """Return these settings with those that ``by`` sets."""
        return self.model_copy(update={name: getattr(by, name) for name in by.model_fields_set})

    @property
    def allowed_proof_types(self) -> tuple[int, ...]:
        """The seal proofs to ask the manager for; none means any."""
        return tuple(number for size in self.allowed_sizes for number in proof_types(size))


class Thread(Table):
    """One ``[[sealing_thread]]``: a folder that holds one sector at a time, and the flow that it runs."""

    location: FilePath
    plan: Plan = "sealer"
    sealing: Sealing = Sealing()


class Attached(Table):
    """One ``[[attached]]``: a permanent store. Its name is what the manager knows it by."""

    location: FilePath
    name: str = Field(default_factory=lambda table: str(table["location"]), min_length=1)
    readonly: bool = False


class AttachedSelection(Table):
    """``[attached_selection]``."""

    enable_space_weighted: bool = False


class Limitation(Table):
    """``[processors.limitation]``: how many of a stage at once, and the least time between two starts."""

    concurrent: dict[StageName, Count] = Field(default={})
    staggered: dict[StageName, Duration] = Field(default={})


class Cgroup(Table):
    """``cgroup`` of a processor."""

    group_name: str | None = None
    cpuset: str | None = None


class Processor(Table):
    """One ``[[processors.<stage>]]``: a program that runs a stage.

    ``protocol``, ours, is how it is given tasks; without it our own program runs as jobs, and others as streams.
    """

    bin: str | None = None
    args: tuple[str, ...] | None = None
    protocol: Literal["job", "stream"] | None = None
    envs: dict[str, str] = Field(default={})
    inherit_envs: bool = True
    numa_preferred: CountOrNone | None = None
    cgroup: Cgroup | None = None
    concurrent: Count | None = None
    locks: tuple[str, ...] = ()
    auto_restart: bool = True
    stable_wait: Duration = timedelta(seconds=5)


class Processors(Table):
    """``[processors]``."""

    program: str | None = Field(default=None, min_length=1)
    """Our own program of the stages, searched when not given; ``simulated`` computes nothing."""
    limit: dict[StageName, Count] = Field(default={})
    """The older name of limitation.concurrent."""
    limitation: Limitation = Limitation()
    time_limit: dict[StageName, Duration] = Field(default={})
    """How long a stage's job may run before it is stopped."""
    ext_locks: dict[str, Count] = Field(default={})
    static_tree_d: dict[SizeName, FilePath] = Field(default={})
    add_pieces: tuple[Processor, ...] = ()
    tree_d: tuple[Processor, ...] = ()
    pc1: tuple[Processor, ...] = ()
    pc2: tuple[Processor, ...] = ()
    synthetic_proofs: tuple[Processor, ...] = ()
    c1: tuple[Processor, ...] = ()
    c2: tuple[Processor, ...] = ()
    verify_seal: tuple[Processor, ...] = ()
    snap_encode: tuple[Processor, ...] = ()
    snap_vanilla: tuple[Processor, ...] = ()
    snap_prove: tuple[Processor, ...] = ()
    verify_snap: tuple[Processor, ...] = ()
    transfer: tuple[Processor, ...] = ()
    unseal: tuple[Processor, ...] = ()
    window_post: tuple[Processor, ...] = ()
    winning_post: tuple[Processor, ...] = ()

    def limits(self) -> dict[str, int]:
        """Return how many of a stage may run at once on this machine; a stage that is not there has no limit."""
        return {**self.limit, **self.limitation.concurrent}

    def of(self, stage: str) -> tuple[Processor, ...]:
        """Return the processors that are configured for ``stage``, one of STAGES; none means our own program."""
        processors: tuple[Processor, ...] = getattr(self, stage)
        return processors


INLINE_AT_MOST = 512 << 10
"""An input in a history, twice there, must stay far below the 2 MB that Temporal takes."""


class Temporal(Table):
    """``[temporal]``, ours: where the Temporal server is. ``tls`` comes on with any of its files."""

    address: HostPort = "127.0.0.1:7233"
    namespace: str = Field(default="default", min_length=1)
    task_queue: QueueName = "sealing"
    heartbeat_timeout: Duration = timedelta(seconds=20)
    api_key_file: FilePath | None = None
    tls: bool = False
    tls_server_name: str | None = None
    tls_ca_file: FilePath | None = None
    tls_cert_file: FilePath | None = None
    tls_key_file: FilePath | None = None
    shared_c2: bool = False
    """Whether C2 and snap prove of this machine's sectors go to the shared queues, which several machines serve. A
    machine serves a queue whose stage it has processors for, if this is on, or if it has no thread."""
    c2_queue: QueueName | None = None
    """The shared queue of C2; without it the fleet's queue with ``-c2`` behind."""
    snap_prove_queue: QueueName | None = None
    """The shared queue of snap prove; without it the fleet's queue with ``-snap-prove`` behind."""
    inline_limit: Annotated[Size, Field(le=INLINE_AT_MOST)] = 32 << 10
    """Bytes that an input for another machine may have, compressed, to travel in a history; 512 KiB at most."""
    exchange: Exchange | None = None
    """Where larger inputs travel: a folder that all machines mount, or ``s3://bucket/prefix``."""
    exchange_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    """The address of an S3 service other than Amazon's. The credentials are those of the AWS environment."""
    pool_folder: FilePath | None = None
    """Where this machine computes for others; without it ``pool`` in sealflow's cache folder, apart by worker."""
    pool_patience: Duration = timedelta(minutes=5)
    """How long a computation for another machine runs on that nobody waits for any more: its sector was paused,
    aborted, or given to another machine."""

    def shared_queue(self, stage: str) -> str:
        """Return the shared queue of one of the SHARED_STAGES."""
        queue: str | None = getattr(self, f"{stage}_queue")
        return queue or f"{self.task_queue}-{stage.replace('_', '-')}"


class Policy(Table):
    """``[policy]``, ours: what to do where the other worker gives no choice."""

    expired_ticket: Literal["rewind", "park", "abort"] = "rewind"
    ticket_lifetime: Duration = timedelta(hours=24)
    """How long after it was drawn a ticket is worth computing on."""
    terminated_grace: Duration = timedelta(seconds=60)
    """How long after a task was terminated in Temporal its files are left alone."""
    abort_patience: Duration = timedelta(minutes=5)
    """How long an abort waits for the sector's machine; files that are left go when it comes back."""


class Contents(Table):
    """What a file holds."""

    sector_manager: SectorManager | None = None
    sealing_thread: tuple[Thread, ...] = ()
    worker: Worker = Field(default_factory=Worker)
    metrics: Metrics = Metrics()
    sealing: Sealing = Sealing()
    attached: tuple[Attached, ...] = ()
    attached_selection: AttachedSelection = AttachedSelection()
    processors: Processors = Processors()
    temporal: Temporal = Temporal()
    policy: Policy = Policy()
    remote_store: Any = None
    sealing_daemons: Any = None
    ScanPersistStores: Any = None
    """These three are older names: known, so that a file with them starts, and without effect."""


class Config(Contents):
    """A configuration that is right, the file that it came from, and what in it deserves a look."""

    file: Path
    warnings: tuple[str, ...] = ()

    @property
    def manager(self) -> SectorManager:
        """The manager, which every machine with a thread has."""
        if self.sector_manager is None:
            msg = "this machine has no [sector_manager]: it only proves for others"
            raise LookupError(msg)
        return self.sector_manager

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
            abort_patience=self.policy.abort_patience,
            heartbeat_timeout=self.temporal.heartbeat_timeout,
            pools={stage: self.temporal.shared_queue(stage) for stage in SHARED_STAGES if self.temporal.shared_c2},
            **{name: getattr(sealing, name) for name in shared},
        )
