"""A worker that is started twice: the second one says so and ends, and nothing is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.config import Config, load
from tests.survival.program import WorkerProgram, program
from tests.world.plant import plant
from workers.alone import alone
from workers.connection import StartError

FILE = """\
worker.name = "{name}"
sector_manager.rpc_client.addr = "/ip4/127.0.0.1/tcp/1789"
[temporal]
address = "{server}"
[[sealing_thread]]
location = "{location}"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache folder that nobody else has."""
    monkeypatch.setenv("SEALFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def worker(folder: Path, name: str = "one", location: str = "a", server: str = "here:7233") -> Config:
    """Return a worker's configuration."""
    (folder / location).mkdir(exist_ok=True)
    file = folder / "worker.toml"
    file.write_text(FILE.format(name=name, server=server, location=folder / location))
    return load(file)


def test_two_of_one_name(tmp_path: Path) -> None:
    """Refused, with the other's pid, as long as that runs."""
    with alone(worker(tmp_path)):
        with (
            pytest.raises(StartError, match=rf"worker one runs here already: end it, .*is process {os.getpid()}\)"),
            alone(worker(tmp_path, location="b")),
        ):
            pass
        with alone(worker(tmp_path, name="two", location="c")):
            pass
        with alone(worker(tmp_path, location="d", server="there:7233")):  # another fleet's
            pass
    with alone(worker(tmp_path)):
        pass


def test_two_with_one_location(tmp_path: Path) -> None:
    """Refused by whatever path the location is named; the one that was refused holds nothing."""
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with alone(worker(tmp_path)):
        with (
            pytest.raises(StartError, match=r"another worker works in \S+/link: end it"),
            alone(worker(tmp_path, name="two", location="link")),
        ):
            pass
        with alone(worker(tmp_path, name="two", location="b")):
            pass


def test_what_dead_workers_left_goes(tmp_path: Path, cache: Path) -> None:
    """Their locks are nobody's: they stop nobody, and do not pile up."""
    for number in range(5):
        with alone(worker(tmp_path, name=f"w{number}", location=str(number))):
            pass
    with alone(worker(tmp_path)):
        assert len(list((cache / "workers").glob("*.lock"))) == 2


def test_a_cache_folder_that_cannot_be_used(tmp_path: Path, cache: Path) -> None:
    """Refused, with what to do."""
    cache.write_text("a file")
    with (
        pytest.raises(StartError, match="let SEALFLOW_CACHE name a folder that this worker may write to"),
        alone(worker(tmp_path)),
    ):
        pass


@pytest.mark.server
async def test_the_program_started_twice(temporal: Client, tmp_path: Path) -> None:
    """The second ends at once with status 1 and the first one's pid; the first seals its sector as if nothing was."""
    async with plant(temporal, tmp_path) as built:
        built.simulate(pc1={"until": str(tmp_path / "go")})
        async with program(built) as first:
            await built.until(lambda: built.starts("pc1"), "PC1 to run")
            second = WorkerProgram(built)
            second.log = tmp_path / "second.log"
            await second.start()
            assert second.process is not None
            assert first.process is not None
            assert await second.process.wait() == 1
            assert "runs here already: end it, or give this one another [worker] name (it is process " in said(second)
            assert f"process {first.process.pid})" in said(second)
            (tmp_path / "go").touch()
            await built.finished()
            assert built.starts("pc1") == 1


def said(worker: WorkerProgram) -> str:
    """Return what a worker said."""
    return worker.log.read_text()
