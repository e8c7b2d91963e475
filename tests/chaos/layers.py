"""A real PC1 that is killed, loses its machine, and has a layer spoiled on the disk: it goes on from what is whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sealing.cache import find_processor, proof_environment
from sealing.failures import Temporary
from sealing.processors import processes
from sealing.processors.folder import JobFolder
from sealing.processors.job import stop_all
from sealing.proofs import SECTOR_SIZES
from sealing.stores import layers
from sealing.stores.layers import NOTES
from sealing.stores.layout import SectorFiles
from sealing.values import SectorId
from tests.stores.sealing import Sealing, content, until
from workers.keeping import noting_layers

LOOK_EVERY = 0.05
"""Seconds between two looks for new layers: a small sector's come quickly."""


@dataclass
class Machine:
    """One that a test restarts: as far as jobs can tell, for the kernel's page cache stays."""

    boot: Path

    def restart(self) -> None:
        """Have it restarted."""
        self.boot.write_text(f"{uuid.uuid4()}\n")


@contextlib.contextmanager
def restartable(folder: Path) -> Iterator[Machine]:
    """Give the machine; what runs inside looks at the test's word for when it was started."""
    machine = Machine(folder / "boot-id")
    machine.restart()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(processes.BOOT_ID, str(machine.boot))
        yield machine


@dataclass(frozen=True)
class Figures:
    """What it took, in seconds: an undisturbed PC1, with its layers noted, and what it took again after each loss."""

    undisturbed: float
    to_first_layer: float
    after_spoiled_layer: float
    after_restart: float
    noting: float
    """From the first layer's appearance until it was on the disk and noted, beside the computing of the second."""


async def layers_survive(folder: Path, sector_size: int, program: Path | None = None) -> Figures:
    """Seal a sector undisturbed, and again with a PC1 that dies three times and with its machine; compare the replicas.

    The size is one of two layers, in bytes. Raises AssertionError where what was whole is computed again, or what is
    broken is not. It takes about 2.5 times a PC1, and two of PC2.
    """
    size = next(name for name, known in SECTOR_SIZES.items() if known == sector_size)
    sealing = Sealing(
        SectorFiles.local(folder, SectorId(miner=1000, number=5)),
        (str(find_processor(program)),),
        proof=f"StackedDrg{size}V1_1",
        env={**os.environ, **proof_environment()},
    )
    sealing.files.root.mkdir(parents=True)
    with restartable(folder) as machine:
        try:
            async with noting_layers([folder], LOOK_EVERY):
                return await _survive(sealing, machine)
        finally:
            await stop_all(sealing.files.jobs, grace=0)


async def _survive(sealing: Sealing, machine: Machine) -> Figures:
    pieces = await sealing.pieces()
    began = time.monotonic()
    labels = await sealing.pc1(pieces)
    undisturbed = time.monotonic() - began
    wanted = await sealing.pc2(labels)
    layers.remove(sealing.files)  # so that what appears is of the next round

    sealing.round, began = 1, time.monotonic()
    attempt = asyncio.create_task(sealing.pc1(pieces))
    await until((first := sealing.files.cache / "sc-02-data-layer-1.dat").exists)
    appeared = time.monotonic()
    await noted(sealing.files, 1)
    noting = time.monotonic() - appeared
    await killed(sealing.files, attempt)
    whole = identity(first)

    await killed(sealing.files, asyncio.create_task(sealing.pc1(pieces)))
    assert identity(first) == whole, "a whole layer was computed again after a kill"

    flip(first, sealing.files.unsealed.stat().st_size // 2)
    spoiled = identity(first)
    machine.restart()
    again = time.monotonic()
    attempt = asyncio.create_task(sealing.pc1(pieces))
    await until(lambda: first.exists() and identity(first) != spoiled)
    await noted(sealing.files, 1)
    after_spoiled_layer = time.monotonic() - again
    await killed(sealing.files, attempt)
    whole = identity(first)

    machine.restart()
    again = time.monotonic()
    labels = await sealing.pc1(pieces)
    after_restart = time.monotonic() - again
    assert identity(first) == whole, "a layer that was noted was computed again after a restart of the machine"
    assert await sealing.pc2(labels) == wanted
    return Figures(undisturbed, appeared - began, after_spoiled_layer, after_restart, noting)


async def killed(files: SectorFiles, attempt: asyncio.Task[Any] | Coroutine[Any, Any, Any]) -> None:
    """Kill all of PC1's processes by -9 once they run, and take the failure that the attempt ends in."""
    attempt = asyncio.ensure_future(attempt)
    job = JobFolder.at(files.job("pc1"))
    await until(lambda: attempt.done() or job.leader())
    leader = job.leader()
    assert leader is not None, f"PC1 ended before it could be killed: {attempt}"
    os.killpg(leader.session, signal.SIGKILL)
    with pytest.raises(Temporary, match="SIGKILL"):
        await attempt


async def noted(files: SectorFiles, layer: int) -> None:
    """Wait until a layer of the PC1 that runs now is noted."""
    notes = files.job("pc1") / NOTES
    await until(lambda: notes.exists() and f'"{layer}":' in content(notes).decode())


def identity(path: Path) -> tuple[int, int, int]:
    """Return what tells a file that stayed from one that was made anew."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def flip(path: Path, at: int) -> None:
    """Flip one bit of a file's byte, as a disk does that lost what was not synced: the size stays."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def main() -> None:
    """Run it from the command line, for a sector's size such as 8MiB or 512MiB."""
    size = sys.argv[1] if len(sys.argv) > 1 else "512MiB"
    with tempfile.TemporaryDirectory(prefix="sealflow-layers-") as name:
        figures = asyncio.run(layers_survive(Path(name), SECTOR_SIZES[size]))
    for what, seconds in vars(figures).items():
        sys.stdout.write(f"{what.replace('_', ' '):<24} {seconds:8.1f} s\n")


if __name__ == "__main__":
    main()
