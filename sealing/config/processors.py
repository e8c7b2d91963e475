"""The tables about the stages' programs: ``[processors]`` and what is below it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field

from sealing.config.fields import (
    OUR_PROGRAM,
    OURS,
    Count,
    CountOrNone,
    CpuList,
    DefaultWords,
    Duration,
    FilePath,
    SizeName,
    StageName,
)
from sealing.config.tables import Table
from sealing.processors.turns import Limits


class Limitation(Table):
    """``[processors.limitation]``."""

    concurrent: dict[StageName, Count] = Field(default={})
    """How many of a stage run at once on this machine; a stage that is not here has no limit."""
    staggered: dict[StageName, Duration] = Field(default={})
    """The least time between two starts of a stage."""


class Cgroup(Table):
    """``cgroup`` of a processor."""

    group_name: str | None = None
    """The control group's name."""
    cpuset: CpuList | None = None
    """The CPUs that the program may use, such as `"0-7,16"`."""


class Processor(Table):
    """One ``[[processors.<stage>]]``: a program that runs a stage."""

    bin: Annotated[str | None, DefaultWords("our own program")] = None
    """The program."""
    args: Annotated[tuple[str, ...] | None, DefaultWords("`processor <stage>`")] = None
    """Its arguments. Our own program, run as jobs, needs none."""
    protocol: Annotated[
        Literal["job", "stream"] | None, OURS, DefaultWords("`job` for our own program, `stream` for others")
    ] = None
    """How it is given its tasks: a process for each, which outlives the worker, or lines to one that stays."""
    envs: dict[str, str] = Field(default={})
    """Environment variables for it."""
    inherit_envs: bool = True
    """Whether it gets the worker's own environment too."""
    numa_preferred: CountOrNone | None = None
    """The NUMA node whose memory it uses first, where numactl is there."""
    cgroup: Cgroup | None = None
    """Where it runs."""
    concurrent: Count | None = None
    """How many tasks it takes at once."""
    locks: tuple[str, ...] = ()
    """The locks of `ext_locks` that each of its tasks holds."""
    weight: Count = 1
    """How often it is chosen beside the other processors of its stage."""
    auto_restart: bool = True
    """Whether it is started again when it has died."""
    stable_wait: Duration = timedelta(seconds=5)
    """How long after its start it must have said that it is ready."""

    @property
    def is_ours(self) -> bool:
        """Whether it is our own program, by its name."""
        return self.bin is None or PurePath(self.bin).name == OUR_PROGRAM

    @property
    def spoken(self) -> Literal["job", "stream"]:
        """How it is given its tasks."""
        return self.protocol or ("job" if self.is_ours else "stream")


class Processors(Table):
    """``[processors]``."""

    program: Annotated[str | None, OURS, DefaultWords("where `make setup` put it")] = Field(default=None, min_length=1)
    """Our own program of the stages; `simulated` computes nothing."""
    limitation: Limitation = Limitation()
    """What runs at once."""
    time_limit: Annotated[dict[StageName, Duration], OURS] = Field(default={})
    """How long a stage may run before it is stopped, and counts as failed temporarily."""
    ext_locks: dict[str, Count] = Field(default={})
    """Locks that stages share, such as a GPU, and how many tasks may hold each at once."""
    static_tree_d: dict[SizeName, FilePath] = Field(default={})
    """Ready files of tree-d for sectors without deals, by sector size."""
    add_pieces: tuple[Processor, ...] = ()
    """Programs that add pieces."""
    tree_d: tuple[Processor, ...] = ()
    """Programs that build tree-d."""
    pc1: tuple[Processor, ...] = ()
    """Programs of PC1."""
    pc2: tuple[Processor, ...] = ()
    """Programs of PC2."""
    synthetic_proofs: Annotated[tuple[Processor, ...], OURS] = ()
    """Programs that make the synthetic proofs."""
    c1: Annotated[tuple[Processor, ...], OURS] = ()
    """Programs of C1."""
    c2: tuple[Processor, ...] = ()
    """Programs of C2."""
    verify_seal: Annotated[tuple[Processor, ...], OURS] = ()
    """Programs that verify a sector's proof before it is sent."""
    snap_encode: tuple[Processor, ...] = ()
    """Programs that encode data into a finished sector."""
    snap_vanilla: Annotated[tuple[Processor, ...], OURS] = ()
    """Programs that make the vanilla proofs of an upgrade."""
    snap_prove: tuple[Processor, ...] = ()
    """Programs that prove an upgrade."""
    verify_snap: Annotated[tuple[Processor, ...], OURS] = ()
    """Programs that verify an upgrade's proof before it is sent."""
    transfer: tuple[Processor, ...] = ()
    """Programs that copy files to a store."""
    unseal: tuple[Processor, ...] = ()
    """Programs that unseal."""
    window_post: tuple[Processor, ...] = ()
    """Programs of window PoSt."""
    winning_post: tuple[Processor, ...] = ()
    """Programs of winning PoSt."""

    def limits(self) -> Limits:
        """Return what may run at once on this machine, and how soon after each other."""
        return Limits(
            concurrent=self.limitation.concurrent,
            staggered={stage: gap.total_seconds() for stage, gap in self.limitation.staggered.items()},
            locks=self.ext_locks,
        )

    def of(self, stage: str) -> tuple[Processor, ...]:
        """Return the processors that are configured for ``stage``, one of STAGES; none means our own program."""
        processors: tuple[Processor, ...] = getattr(self, stage)
        return processors
