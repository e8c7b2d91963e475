"""Processes run where the configuration says, as far as the machine lets one, and say what it does not let."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.failures import Permanent
from sealing.processors import placement
from sealing.processors.job import run
from sealing.processors.placement import (
    cpus_text,
    group_name,
    group_problem,
    join_group,
    machine_cpus,
    numactl,
    parse_cpus,
    placed,
)
from sealing.processors.processor import Placement, Processor
from sealing.processors.streams import streaming
from tests.processors.jobs import Alive, script_job
from tests.processors.streams import noted, stream_job

ONE = max(os.sched_getaffinity(0))
"""A CPU that we may use."""
GROUP = "tests-of-sealflow"


@pytest.fixture(autouse=True)
def told_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let what is told once be told in each test, and remove the control group that it has made."""
    monkeypatch.setattr(placement, "_told", set())
    yield
    if found := placement._Cpusets.found():
        for folder in (found.mount / placement.GROUPS / GROUP, found.mount / placement.GROUPS):
            if folder.is_dir() and not any(path.is_dir() for path in folder.iterdir()):
                folder.rmdir()


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder in whose ``processors`` streams run."""
    async with streaming(tmp_path / "processors"):
        yield tmp_path


def allowed(text: str) -> str:
    """Return the CPUs that a process may use, of its status."""
    (found,) = [line for line in text.splitlines() if line.startswith("Cpus_allowed_list")]
    return found.split()[1]


def read(path: str) -> str:
    """Return what a file holds."""
    return Path(path).read_text()


def bound(**wanted: Any) -> Placement:
    """Return the place on one CPU, in a group of its own."""
    return Placement(**{"cpus": str(ONE), "group": GROUP, **wanted})


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0", {0}),
        ("0-3,8", {0, 1, 2, 3, 8}),
        (" 1 , 4 - 5 ", {1, 4, 5}),
        ("0-7:2/4", {0, 1, 4, 5}),
        ("3,3,2-3", {2, 3}),
    ],
)
def test_lists_of_cpus(text: str, cpus: set[int]) -> None:
    """A list of CPUs is read as the kernel reads it."""
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["", "a", "1,", "0-", "-1", "3-1", "0-3:0/2", "0-3:3/2", "0;1", "99999999999", "0x1"])
def test_no_lists_of_cpus(text: str) -> None:
    """What is no list is refused, with what would be right."""
    with pytest.raises(ValueError, match=r"write a list of CPUs in quotes|the highest that Linux knows"):
        parse_cpus(text)


def test_a_list_of_cpus_that_is_too_long() -> None:
    """A list that names the same CPUs over and over is refused before they are counted."""
    with pytest.raises(ValueError, match="more than 4096 characters"):
        parse_cpus("0-8191," * 10_000 + "0")


@given(st.frozensets(st.integers(0, 300), min_size=1))
def test_written_and_read(cpus: frozenset[int]) -> None:
    """A list that is written is read as the same."""
    assert parse_cpus(cpus_text(cpus)) == cpus


async def test_a_job_runs_on_its_cpus(tmp_path: Path) -> None:
    """A job's process has its CPUs from its first instruction on; the worker keeps its own."""
    before = os.sched_getaffinity(0)
    plain = script_job(tmp_path, f"cat /proc/self/status > {tmp_path}/status; answer")
    job = type(plain)(
        plain.folder, Processor("tree_d[0]", plain.processor.argv, placement=bound()), plain.task, round=0
    )
    assert (await run(job, on_alive=Alive())).answer
    assert allowed((tmp_path / "status").read_text()) == str(ONE)
    assert os.sched_getaffinity(0) == before


async def test_a_stream_runs_on_its_cpus(folder: Path) -> None:
    """A stream's process does as well, and is in its control group where the machine lets one."""
    assert (await run(stream_job(folder, placement=bound()), on_alive=Alive())).answer
    (pid,) = noted(folder, "starts")
    assert allowed(read(f"/proc/{pid}/status")) == str(ONE)
    in_group = f":/{placement.GROUPS}/{GROUP}\n" in read(f"/proc/{pid}/cgroup")
    assert in_group == (group_problem() is None)


@pytest.mark.parametrize("cpus", ["8000", "0,8000-8001"])
async def test_cpus_that_the_machine_has_not(folder: Path, cpus: str) -> None:
    """CPUs that are not there are Permanent, with the key and those that are there; for streams and jobs alike."""
    there = cpus_text(machine_cpus())
    text = f'tree_d\\[0\\]: cgroup.cpuset = "{cpus}" names CPUs 8000.*, and this machine has {there}'
    with pytest.raises(Permanent, match=text):
        await run(stream_job(folder, placement=Placement(cpus=cpus)), on_alive=Alive())
    plain = script_job(folder, "answer")
    processor = Processor("tree_d[0]", plain.processor.argv, placement=Placement(cpus=cpus))
    with pytest.raises(Permanent, match=text):
        await run(type(plain)(plain.folder, processor, plain.task, round=0), on_alive=Alive())


def test_without_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine without control groups, or one that does not let us, binds by affinity alone, and that is told once."""
    mounts = tmp_path / "mounts"
    mounts.touch()
    monkeypatch.setattr(placement, "MOUNTS", mounts)
    processor = Processor("pc1[0]", ("true",), placement=bound())
    for _ in range(2):
        join_group(processor, os.getpid())
    assert caplog.text.count("no control groups for CPUs") == 1
    assert group_problem() == "the machine has none with cpuset"
    mounts.write_text(f"cgroup {tmp_path}/nowhere cgroup rw,cpuset 0 0\n")
    join_group(processor, os.getpid())
    assert "control groups cannot be used" in caplog.text
    assert group_problem() == f"{tmp_path}/nowhere is not writable"


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_written_into_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """Each version of control groups is told in its own way: which CPUs, and which process."""
    (tmp_path / "mounts").write_text(
        f"tmpfs / tmpfs rw 0 0\ncgroup {tmp_path} cgroup rw,cpuset 0 0\n"
        if version == 1
        else f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"
    )
    monkeypatch.setattr(placement, "MOUNTS", tmp_path / "mounts")
    groups = (tmp_path, tmp_path / placement.GROUPS, tmp_path / placement.GROUPS / "gpu")
    for group in groups:
        group.mkdir(exist_ok=True)
        for name in ("cgroup.controllers", "cpuset.cpus", "cpuset.mems"):
            (group / name).write_text("cpuset" if "controllers" in name else "0-7" if group == tmp_path else "")
    join_group(Processor("pc1[0]", ("true",), placement=Placement("2-3", "gpu")), 77)
    assert (groups[2] / "cpuset.cpus").read_text() == "2-3"
    assert (groups[2] / "cgroup.procs").read_text() == "77"
    assert (groups[1] / "cpuset.mems").read_text() == ("0-7" if version == 1 else "")
    controls = [(group / "cgroup.subtree_control") for group in groups[:2]]
    assert [path.read_text() for path in controls if path.exists()] == ["+cpuset"] * (2 if version == 2 else 0)


@pytest.mark.parametrize(
    ("wanted", "name"), [(None, "pc1-0"), ("gpu/first", "gpu/first"), ("../../etc", "etc"), ("/", "processor")]
)
def test_names_of_groups(wanted: str | None, name: str) -> None:
    """A group's name stays below ours, whatever the configuration says."""
    assert group_name(Processor("pc1[0]", ("true",), placement=Placement(group=wanted))) == name


def test_a_memory_node(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A memory node is numactl's to prefer; without it that is told once, and a node that is not there is Permanent."""
    node, absent = (Processor("pc2[0]", ("true",), placement=Placement(numa_node=number)) for number in (0, 4000))
    assert numactl() == shutil.which("numactl")
    monkeypatch.setattr(placement, "numactl", lambda: None)
    for _ in range(2):
        with placed(node) as before:
            assert before == ()
    assert caplog.text.count("numactl is not installed") == 1
    monkeypatch.setattr(placement, "numactl", lambda: "/bin/numactl")
    with pytest.raises(Permanent, match=r"pc2\[0\]: numa_preferred = 4000"), placed(absent):
        pass
    if Path("/sys/devices/system/node/node0").exists():
        with placed(node) as before:
            assert before == ("/bin/numactl", "--preferred=0")


async def test_a_program_behind_numactl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that numactl would not find is told as missing as it is without numactl; one that it finds runs."""
    other = tmp_path / "numactl"
    other.write_text('#!/bin/sh\nshift\nexec "$@"\n')
    other.chmod(0o755)
    monkeypatch.setattr(placement, "_by_node", lambda _: (str(other), "--preferred=0"))
    plain = script_job(tmp_path, "answer")
    assert (await run(plain, on_alive=Alive())).answer
    missing = Processor("tree_d", (f"{tmp_path}/nowhere",))
    with pytest.raises(Permanent, match=r"cannot start the processor .*nowhere: No such file"):
        await run(type(plain)(plain.folder, missing, plain.task, round=1), on_alive=Alive())


def test_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What is told once is a warning."""
    with caplog.at_level(logging.WARNING):
        placement._tell_once("something")
        placement._tell_once("something")
    assert caplog.text.count("something") == 1
