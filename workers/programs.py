"""Which processors run a stage: those of the configuration, else our own program, simulated if that is typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sealing.cache import find_processor, proof_environment
from sealing.config import OUR_PROGRAM, SIMULATED, Cgroup, Processors
from sealing.config import Processor as Configured
from sealing.processors import programs
from sealing.processors.parameters import POREP, UPDATE, parameters_ready
from sealing.processors.processor import Placement, Processor, Protocol


class Programs:
    """The processors of one machine's stages."""

    def __init__(self, processors: Processors) -> None:
        """Find our own program. Raises ProgramMissingError."""
        self._configured = processors
        self._simulated = processors.program == SIMULATED
        self._ours = Processor(OUR_PROGRAM, programs.SIMULATED) if self._simulated else ours(processors.program)

    def of(self, stage: str) -> Sequence[Processor]:
        """Return the processors of a stage, at least one."""
        configured = self._configured.of(stage)
        found = tuple(self._processor(f"{stage}[{index}]", stage, each) for index, each in enumerate(configured))
        return found or (self._ours,)

    def _processor(self, name: str, stage: str, given: Configured) -> Processor:
        protocol = Protocol(given.spoken)
        argv = (given.bin,) if given.bin else self._ours.argv
        group = given.cgroup or Cgroup()
        return Processor(
            name=name,
            argv=(*argv, *_arguments(given, stage, protocol, is_ours=given.is_ours)),
            env={**proof_environment(), **given.envs},
            inherit_env=given.inherit_envs,
            protocol=protocol,
            placement=Placement(group.cpuset, group.group_name, given.numa_preferred),
            concurrent=given.concurrent,
            locks=given.locks,
            auto_restart=given.auto_restart,
            stable_wait=given.stable_wait.total_seconds(),
        )

    async def parameters_ready(self, size: str) -> bool:
        """Tell whether C2 finds its parameters. Of a program that is not ours it is not known: then it may try."""
        return await self._ready("c2", size, POREP)

    async def update_parameters_ready(self, size: str) -> bool:
        """Tell the same of the proof of an upgrade."""
        return await self._ready("snap_prove", size, UPDATE)

    async def _ready(self, stage: str, size: str, kind: str) -> bool:
        if self._simulated or all(each.argv[0] != self._ours.argv[0] for each in self.of(stage)):
            return True
        return await parameters_ready(self._ours.argv, size, self._ours.env, kind)


def _arguments(given: Configured, stage: str, protocol: Protocol, *, is_ours: bool) -> Sequence[str]:
    """Return what comes after the program. Our own knows its stage from the job; the other worker's text is for it."""
    if given.args is not None and not (is_ours and protocol is Protocol.job):
        return given.args
    return () if protocol is Protocol.job else ("processor", stage)


def ours(explicit: str | None = None) -> Processor:
    """Return our own program of the stages. Raises ProgramMissingError."""
    return Processor(OUR_PROGRAM, (str(find_processor(Path(explicit) if explicit else None)),), proof_environment())
