"""The Groth16 parameters that C2 cannot do without: whether they are there, and the command that makes them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence


def parameters_command(argv: Sequence[str], size: str) -> list[str]:
    """Return the command that makes the parameters of a sector size with our own program, where they are missing."""
    return [*argv, "params", "--sector-size", size, "--kind", "porep"]


async def parameters_ready(argv: Sequence[str], size: str, environment: Mapping[str, str]) -> bool:
    """Tell whether the parameters of a sector size are complete."""
    process = await asyncio.create_subprocess_exec(
        *parameters_command(argv, size),
        "--check",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return await process.wait() == 0
