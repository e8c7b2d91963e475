"""The command ``sealflow`` as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.world.plant import Plant

SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


async def sealflow(built: Plant, *args: str, said: str = "", **variables: str) -> Ran:
    """Run the command against the plant's Temporal; ``said`` is typed into it."""
    address = built.client.service_client.config.target_host
    env = {**os.environ, "TEMPORAL_ADDRESS": address, "COLUMNS": "200", **variables}
    process = await asyncio.create_subprocess_exec(
        SEALFLOW,
        *args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    out, err = await process.communicate(said.encode())
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def on_worker(built: Plant, *args: str) -> Ran:
    """Run ``sealflow worker -c FILE`` with what follows."""
    return await sealflow(built, "worker", "-c", str(built.file), *args)
