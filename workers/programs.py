"""Which program runs a stage: ours, the one that the configuration names, or the simulated one if its name is typed."""

from __future__ import annotations

from pathlib import Path

from activities.stages import Program
from sealing.cache import find_processor, proof_environment
from sealing.config import SIMULATED, Processors
from sealing.processors import programs
from sealing.processors.parameters import POREP, UPDATE, parameters_ready


class Programs:
    """The programs of one machine's stages."""

    def __init__(self, processors: Processors) -> None:
        """Find our own program. Raises ProgramMissingError."""
        self._configured = processors
        self._simulated = processors.program == SIMULATED
        self._ours = Program(argv=programs.SIMULATED) if self._simulated else ours(processors.program)

    def of(self, stage: str) -> Program:
        """Return the program of a stage: the first that is configured for it, else ours."""
        configured = self._configured.of(stage)
        if not configured or configured[0].bin is None:
            return self._ours
        first = configured[0]
        env = {**proof_environment(), **first.envs}
        return Program(argv=(str(first.bin), *(first.args or ())), env=env, inherit_env=first.inherit_envs)

    async def parameters_ready(self, size: str) -> bool:
        """Tell whether C2 finds its parameters. Of a program that is not ours it is not known: then it may try."""
        return await self._ready("c2", size, POREP)

    async def update_parameters_ready(self, size: str) -> bool:
        """Tell the same of the proof of an upgrade."""
        return await self._ready("snap_prove", size, UPDATE)

    async def _ready(self, stage: str, size: str, kind: str) -> bool:
        if self._simulated or self.of(stage) is not self._ours:
            return True
        return await parameters_ready(self._ours.argv, size, self._ours.env, kind)


def ours(explicit: str | None = None) -> Program:
    """Return our own program of the stages. Raises ProgramMissingError."""
    return Program(argv=(str(find_processor(Path(explicit) if explicit else None)),), env=proof_environment())
