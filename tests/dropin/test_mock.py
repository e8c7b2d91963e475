"""The file that this field tries workers out with starts this one as well."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.flow.state import State
from sealing.processors.folder import job_folders
from tests.world.plant import Plant, plant

pytestmark = pytest.mark.server

MOCK = Path(__file__).with_name("worker.toml")
SEALFLOW = Path(sys.prefix) / "bin" / "sealflow"
THREADS = ("mock/thread-1", "mock/thread-2", "mock/thread-3")


async def typed(folder: Path, *arguments: str) -> str:
    """Type a command in a folder; it must end well. Returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        SEALFLOW, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


def mock_file(built: Plant, folder: Path) -> Path:
    """Write the file for the plant: where its manager and Temporal are, and the processor that computes nothing."""
    text = MOCK.read_text().replace("/ip4/127.0.0.1/tcp/1789", built.proxy.address)
    text = text.replace('name = "mock"', f'name = "mock-{built.miner}"')
    address = built.client.service_client.config.target_host
    ours = f'[temporal]\naddress = "{address}"\ntask_queue = "fleet-w{built.miner}"\n'
    file = folder / "worker.toml"
    file.write_text(f'{text}\n{ours}[processors]\nprogram = "simulated"\n')
    return file


@asynccontextmanager
async def mock_worker(built: Plant, folder: Path) -> AsyncIterator[None]:
    """Run the worker in the folder that its file's paths are relative to."""
    env = {**os.environ, "SEALFLOW_SIMULATED": str(built.folder / "simulated.json")}
    with (folder / "worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            SEALFLOW, "worker", "-c", "worker.toml", "run", cwd=folder, stdout=log, stderr=log, env=env
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def started(folder: Path, stage: str) -> dict[Path, tuple[float, str]]:
    """Return when the jobs of a stage were started that are there now, and by which processor."""
    jobs = [
        files for location in THREADS for path in (folder / location).glob("data/jobs/*") for files in job_folders(path)
    ]
    records = {files.path: files.record() for files in jobs if files.path.name == stage}
    return {path: (record.started, record.processor) for path, record in records.items() if record}


async def test_three_sectors_finish_by_the_mock_file(temporal: Client, tmp_path: Path) -> None:
    """Three folders prepared by ``store init`` and a file found right by ``config check`` are a worker that seals."""
    folder = tmp_path / "here"
    folder.mkdir()
    stores = {"mock-store": folder / "mock" / "store"}
    stores["mock-store"].mkdir(parents=True)
    async with plant(temporal, tmp_path / "plant", sectors=3, stores=stores) as built:
        built.simulate(pc1={"seconds": 4})
        mock_file(built, folder)
        for location in THREADS:
            await typed(folder, "store", "init", location)
        await typed(folder, "store", "init", "--attached", "--name", "mock-store", "mock/store")
        checked = await typed(folder, "config", "check", "--strict", "worker.toml")
        assert "0-1" in checked
        async with mock_worker(built, folder):
            pc1: dict[Path, tuple[float, str]] = {}

            def all_started() -> bool:
                pc1.update(started(folder, "pc1"))
                return len(pc1) == len(THREADS)

            await built.until(all_started, "three PC1 to start")
            summaries = [await built.finished(number) for number in (1, 2, 3)]
    assert [summary.state for summary in summaries] == [State.Finished] * 3
    starts = sorted(began for began, _ in pc1.values())
    assert all(after - before > 0.9 for before, after in itertools.pairwise(starts))
    assert sorted(processor for _, processor in pc1.values()) == ["pc1[0]", "pc1[0]", "pc1[1]"]
    stored = {path.name for path in (folder / "mock" / "store" / "sealed").iterdir()}
    assert stored == {str(built.id(number)) for number in (1, 2, 3)}
    left = [path for location in THREADS for path in (folder / location / "data").rglob("*") if path.is_file()]
    assert left == []
