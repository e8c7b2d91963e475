"""The jobs of a plant's sectors as the machine shows them, and as the workers at them say."""

from __future__ import annotations

import json
from typing import Any

from sealing.processors.folder import JobFolder
from tests.survival.program import WorkerProgram
from tests.world.plant import Plant


def pid(built: Plant, stage: str = "pc1", number: int = 1) -> int | None:
    """Return the process id of a sector's job that runs."""
    folders = (built.folder / "threads").glob(f"*/data/jobs/{built.id(number)}/{stage}")
    leaders = [JobFolder(folder).leader() for folder in folders]
    return next((leader.pid for leader in leaders if leader), None)


async def begun(built: Plant, stage: str = "pc1") -> int:
    """Wait until a job of the first sector runs, and return its process id."""
    await built.until(lambda: pid(built, stage) is not None, f"{stage} to run")
    found = pid(built, stage)
    assert found is not None
    return found


async def heard(worker: WorkerProgram, number: int = 1) -> dict[str, Any]:
    """Return the last sign of life that this worker has given of a sector's activity; nothing before it has.

    What a killed worker has said stays with the server, and until its time is over it passes for alive.
    """
    assert worker.process is not None
    described = await worker.built.sector(number).describe()
    for one in described.raw_description.pending_activities:
        ours = one.last_worker_identity.startswith(f"{worker.process.pid}@")
        beat = one.last_heartbeat_time.ToNanoseconds() > one.last_started_time.ToNanoseconds()
        if ours and beat and one.heartbeat_details.payloads:
            return dict(json.loads(one.heartbeat_details.payloads[0].data))
    return {}


async def followed(worker: WorkerProgram, process: int) -> bool:
    """Tell whether a worker waits for a process, by its own sign of life."""
    beat = await heard(worker)
    return beat.get("pid") == process and beat.get("phase") == "running"
