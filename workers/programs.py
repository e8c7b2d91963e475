"""Which program runs a stage: ours, the one that the configuration names, or the simulated one if its name is typed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from activities.stages import Program
from sealing import processors as package
from sealing.cache import find_processor, proof_environment
from sealing.config import Processors

SIMULATED = "simulated"
"""The name to type for the processor that computes nothing, for load tests and workflow tests."""


def choose_programs(processors: Processors) -> Callable[[str], Program]:
    """Return the function from a stage to its program. Raises ProgramMissingError."""
    ours = _ours(processors.program)

    def choose(stage: str) -> Program:
        configured = processors.of(stage)
        if not configured or configured[0].bin is None:
            return ours
        first = configured[0]
        argv = (first.bin, *(first.args or ()))
        return Program(argv=argv, env={**proof_environment(), **first.envs})

    return choose


def _ours(program: str | None) -> Program:
    if program == SIMULATED:
        script = Path(package.__path__[0]) / "simulated.py"
        return Program(argv=(sys.executable, "-I", "-S", str(script)))
    return Program(argv=(str(find_processor(program)),), env=proof_environment())
