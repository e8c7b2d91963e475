"""Sectors whose stages are done by somebody else's processors, over the line protocol."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.flow.state import State
from sealing.processors import processes
from sealing.processors.job import running_jobs
from sealing.processors.programs import SIMULATED
from tests.processors.streams import PROGRAM, noted
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

STAGES = ("add_pieces", "tree_d", "pc1", "pc2", "c2")
"""Those of the protocol. The others are always ours."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let what streams say be written below the test's own folder."""
    monkeypatch.setenv("SEALFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def streams(folder: Path, *stages: str, extra: str = "") -> str:
    """Return the configuration of processors in Perl, each of which has the simulated program do its tasks."""
    scratch = folder / "scratch"
    scratch.mkdir()
    return "".join(
        f"""
        [[processors.{stage}]]
        bin = "perl"
        args = {json.dumps([str(PROGRAM), stage, "--by", *SIMULATED])}
        envs = {{ SCRATCH = "{scratch}" }}
        {extra}
        """
        for stage in stages
    )


def jobs(built: Plant) -> list[str]:
    """Return the stages that run on the plant's machine."""
    roots = sorted((built.folder / "threads").glob("*/data/jobs"))
    return [files.path.name for root in roots for files in running_jobs(root)]


def alive(built: Plant) -> list[int]:
    """Return the processors that were started and still run."""
    return [int(pid) for pid in noted(built.folder / "scratch", "starts") if processes.look(int(pid))]


async def test_a_sector_by_others(temporal: Client, tmp_path: Path, cache: Path) -> None:
    """Every stage of the protocol by a third party's processors, one process each; none is left with the worker."""
    async with plant(temporal, tmp_path, sectors=2, threads=2, processors=streams(tmp_path, *STAGES)) as built:
        built.simulate()
        async with working(built):
            for number in (1, 2):
                await built.finished(number)
            assert len(alive(built)) == len(STAGES)
        assert alive(built) == []
        assert [built.starts(stage) for stage in STAGES] == [2] * len(STAGES)
        assert len(noted(tmp_path / "scratch", "starts")) == len(STAGES)
        (folder,) = (cache / "processors").iterdir()
        assert {path.name for path in folder.iterdir() if path.is_dir()} == {f"{stage}-0" for stage in STAGES}


async def test_a_pause_keeps_the_answer(temporal: Client, tmp_path: Path) -> None:
    """PC1 goes on while the sector stands still; resumed, the sector takes the answer that came meanwhile."""
    async with plant(temporal, tmp_path, processors=streams(tmp_path, "pc1")) as built:
        built.simulate(pc1={"seconds": 1.5})
        async with working(built):
            await built.until(lambda: built.starts("pc1"), "PC1 to run")
            await built.sector().signal("pause")
            assert (await built.parked()).state is State.TicketAssigned
            assert jobs(built) == ["pc1"]
            await built.until(lambda: not jobs(built), "PC1 to end")
            await built.sector().signal("resume")
            await built.finished()
        assert built.starts("pc1") == 1


async def test_a_killed_processor_is_a_retry(temporal: Client, tmp_path: Path) -> None:
    """A processor that dies in the middle of a task is started again, and so is the task."""
    async with plant(temporal, tmp_path, processors=streams(tmp_path, "pc1")) as built:
        built.simulate(pc1={"seconds": 60, "times": 1})
        async with working(built):
            await built.until(lambda: built.starts("pc1"), "PC1 to run")
            os.kill(alive(built)[0], signal.SIGKILL)
            summary = await built.finished()
        assert built.starts("pc1") == 2
        assert len(noted(tmp_path / "scratch", "starts")) == 2
        assert summary is not None


async def test_what_is_stopped_costs_others_nothing(temporal: Client, tmp_path: Path) -> None:
    """A pause that stops PC1 of one sector ends the processor that both use: the other's runs again, as no failure."""
    given = streams(tmp_path, "pc1")
    async with plant(temporal, tmp_path, sectors=2, threads=2, processors=given) as built:
        built.file.write_text(built.file.read_text().replace("max_retries = 2", "max_retries = 0"))
        built.simulate(pc1={"seconds": 60, "times": 2})
        async with working(built):
            await built.until(lambda: built.starts("pc1") == 2, "PC1 of both to run")
            await built.sector(1).signal("pause", {"now": True})
            await built.parked(1)
            await built.finished(2)
            assert built.starts("pc1") == 3
            await built.sector(1).signal("resume")
            await built.finished(1)


async def test_an_abort_ends_the_task(temporal: Client, tmp_path: Path) -> None:
    """An abort while PC1 is in flight ends it, and removes every file."""
    async with plant(temporal, tmp_path, processors=streams(tmp_path, "pc1")) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: built.starts("pc1"), "PC1 to run")
            await built.sector().signal("abort", {"reason": "enough"})
            await built.until(lambda: "Aborted" in built.reported(), "the manager to be told")
            await built.until(lambda: not alive(built), "the processor to end")
            await built.until(lambda: not built.left_behind(), "the files to go")
