"""The Groth16 parameters that proofs cannot do without: whether they are there, and the command that makes them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

POREP, UPDATE = "porep", "update"
"""Kinds of parameters: for the proof of a new sector, and of an upgrade."""
ALL_KINDS = "all"
"""Both, the first first."""


def parameters_command(argv: Sequence[str], size: str, kind: str = POREP) -> list[str]:
    """Return the command that makes the parameters of a sector size with our own program, where they are missing."""
    return [*argv, "params", "--sector-size", size, "--kind", kind]


async def parameters_ready(argv: Sequence[str], size: str, environment: Mapping[str, str], kind: str = POREP) -> bool:
    """Tell whether the parameters of a sector size are complete."""
    process = await asyncio.create_subprocess_exec(
        *parameters_command(argv, size, kind),
        "--check",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return await process.wait() == 0
