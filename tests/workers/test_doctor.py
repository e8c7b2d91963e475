"""The doctor tells what would keep this machine from sealing, and what to type; it changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import threading
import time
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from sealing.cache import find_temporal
from sealing.config import Config
from tests.survival.program import SEALFLOW
from tests.world.plant import Plant, plant
from workers.devserver import DevServer
from workers.doctor.checks import Answer, Check, Level, ok, run_all
from workers.doctor.examination import examine

pytestmark = pytest.mark.server

PROCESSOR = """\
#!/bin/sh
case "$1" in
    --version) echo seal-processor 9.9 ;;
    params) test -e "{mark}" ;;
esac
"""


@pytest.fixture(autouse=True)
def _enough_files() -> None:
    """Give this process, and what it starts, the open files that a worker needs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture
async def built(temporal: Client, tmp_path: Path) -> AsyncIterator[Plant]:
    """Build a plant in which all is well; its processor says that it has the parameters."""
    program = tmp_path / "seal-processor"
    program.write_text(PROCESSOR.format(mark=tmp_path / "parameters"))
    program.chmod(0o755)
    (tmp_path / "parameters").touch()
    async with plant(temporal, tmp_path, program=program, sealing='allowed_sizes = ["2KiB"]') as made:
        yield made


def spoil(built: Plant, old: str, new: str) -> None:
    """Replace a text in the plant's configuration."""
    text = built.file.read_text()
    assert old in text
    built.file.write_text(text.replace(old, new))


async def answers(file: Path | None) -> dict[str, Answer]:
    """Return what the checks of a file say, by their names."""
    return {finding.check: finding.answer for finding in await examine(file)}


async def wrong(file: Path) -> dict[str, Answer]:
    """Return what is wrong, by the checks' names."""
    return {name: answer for name, answer in (await answers(file)).items() if answer.level is Level.WRONG}


async def run(*arguments: str | Path, **env: str) -> tuple[int, str, str]:
    """Run the command; return its status, and what it said on both streams."""
    process = await asyncio.create_subprocess_exec(
        SEALFLOW, "doctor", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **env},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def shell(remedy: str | None) -> None:
    """Type a remedy."""
    assert remedy is not None
    path = f"{find_temporal().parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_shell(
        remedy, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, "PATH": path}
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_a_plant_in_which_all_is_well(built: Plant) -> None:
    """Every check is ok, none has a remedy, and no file is left behind or changed."""
    before = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*") if "devnet" not in path.parts}
    found = await answers(built.file)
    assert {name: answer for name, answer in found.items() if answer.level is not Level.OK or answer.remedy} == {}
    assert list(found) == [
        "configuration",
        "temporal",
        "namespace",
        "search attributes",
        "payloads",
        "manager",
        "store store",
        "thread 0",
        "sector of thread 0",
        "processor",
        "porep parameters",
        "clock",
        "open files",
    ]
    assert "iB free" in found["store store"].text
    assert "seal-processor 9.9" in found["processor"].text
    after = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*") if "devnet" not in path.parts}
    assert after == before


async def test_the_command_on_a_plant_in_which_all_is_well(built: Plant) -> None:
    """A line each, marked ok, and status 0; for programs a list of the same."""
    status, said, _ = await run("-c", built.file)
    lines = said.splitlines()
    assert status == 0, said
    assert len(lines) == 13
    assert all(line.startswith("ok ") for line in lines)
    status, said, _ = await run("-c", built.file, "--json")
    found = json.loads(said)
    assert status == 0
    assert len(found) == 13
    assert all(list(one) == ["check", "ok", "text", "remedy"] for one in found)
    assert all(one["ok"] is True and one["remedy"] is None for one in found)


async def test_the_command_where_something_is_wrong(built: Plant) -> None:
    """The line is marked WRONG, what to type stands below it, and the status is 1."""
    built.proxy.away = True
    status, said, err = await run("-c", built.file)
    lines = said.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("WRONG")]
    assert status == 1
    assert "manager" in lines[at]
    assert lines[at + 1].lstrip().startswith("-> start the manager")
    assert err == ""
    status, said, _ = await run("-c", built.file, "--json")
    (bad,) = [one for one in json.loads(said) if not one["ok"]]
    assert status == 1
    assert bad["check"] == "manager"
    assert bad["remedy"]


async def test_warnings_do_not_count(built: Plant) -> None:
    """A key that nobody knows and the simulated processor are warned about; the status stays 0."""
    spoil(built, str(built.folder / "seal-processor"), "simulated")
    spoil(built, "max_retries", "max_retrys")
    status, said, _ = await run("-c", built.file)
    marked = [line for line in said.splitlines() if line.startswith("warning")]
    assert status == 0, said
    assert ["configuration" in marked[0], "processor" in marked[1]] == [True, True]
    assert "did you mean max_retries?" in marked[0]


@pytest.mark.parametrize("arguments", [["--nonsense"], ["file"]])
async def test_wrong_usage(arguments: list[str]) -> None:
    """Exit status 2, and the usage."""
    status, _, err = await run(*arguments)
    assert status == 2
    assert "Usage: sealflow doctor" in err


async def test_without_a_file_the_defaults_are_checked() -> None:
    """Whatever needs no file is checked, and it is said how to have the rest checked as well."""
    found = await answers(None)
    assert found["configuration"].level is Level.WARNING
    assert "sealflow doctor -c FILE" in (found["configuration"].remedy or "")
    assert list(found)[1:] == [
        "temporal",
        "namespace",
        "search attributes",
        "payloads",
        "processor",
        "porep parameters",
        "clock",
        "open files",
    ]
    assert "127.0.0.1:7233" in found["temporal"].text


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is wrong with what to correct, and it is said that the rest was not checked."""
    found = await answers(tmp_path / "none.toml")
    assert found["configuration"].level is Level.WRONG
    assert "none.toml" in found["configuration"].text
    assert found["all else"].level is Level.WARNING


async def test_temporal_that_is_not_there(built: Plant, temporal: Client) -> None:
    """Its address is wrong; what depends on it was not checked, and all else was."""
    spoil(built, temporal.service_client.config.target_host, "127.0.0.1:1")
    found = await answers(built.file)
    assert [name for name, answer in found.items() if answer.level is Level.WRONG] == ["temporal"]
    assert "127.0.0.1:1 does not answer" in found["temporal"].text
    assert "[temporal] address" in (found["temporal"].remedy or "")
    assert found["namespace"].level is found["search attributes"].level is Level.WARNING


async def test_a_namespace_that_is_not_there(built: Plant) -> None:
    """The command that makes it makes it."""
    name = f"doctor-{uuid.uuid4()}"
    spoil(built, "[temporal]\n", f'[temporal]\nnamespace = "{name}"\n')
    found = await answers(built.file)
    assert found["namespace"].level is Level.WRONG
    assert name in found["namespace"].text
    assert found["search attributes"].level is Level.WARNING
    await shell((found["namespace"].remedy or "").partition("or: ")[2])
    await built.until(lambda: _ok(built, "namespace"), "the namespace to be there")


async def _ok(built: Plant, check: str) -> bool:
    return (await answers(built.file))[check].level is Level.OK


async def test_a_namespace_that_forgets_too_soon_and_lacks_the_attributes(built: Plant, temporal: Client) -> None:
    """The commands that are told put both right."""
    name, ttl = f"doctor-{uuid.uuid4()}", Duration()
    ttl.FromTimedelta(timedelta(days=3))
    await temporal.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=ttl)
    )
    spoil(built, "[temporal]\n", f'[temporal]\nnamespace = "{name}"\n')
    bad: dict[str, Answer] = {}

    async def seen() -> bool:
        bad.clear()
        bad.update(await wrong(built.file))
        return bad.keys() == {"namespace", "search attributes"} and "3 days" in bad["namespace"].text

    await built.until(seen, "the namespace to be there")
    assert "SealState is missing" in bad["search attributes"].text
    for answer in bad.values():
        await shell(answer.remedy)
    await built.until(lambda: _ok(built, "namespace"), "the retention")
    await built.until(lambda: _ok(built, "search attributes"), "the search attributes")


async def test_a_search_attribute_of_another_type(built: Plant, temporal: Client, tmp_path: Path) -> None:
    """What it is, what it must be, and the commands that replace it."""
    async with DevServer(tmp_path / "other", {"SealState": "Int"}, port=None, headless=True) as server:
        spoil(built, temporal.service_client.config.target_host, server.address)
        said = (await wrong(built.file))["search attributes"]
        assert "SealState is INDEXED_VALUE_TYPE_INT, it must be Keyword" in said.text
        assert "Parked is missing" in said.text
        await shell(said.remedy)
        await built.until(lambda: _ok(built, "search attributes"), "the search attributes")


async def test_a_manager_that_does_not_answer(built: Plant) -> None:
    """Its address and the reason; the rest is ok."""
    built.proxy.away = True
    bad = await wrong(built.file)
    assert bad.keys() == {"manager"}
    assert built.proxy.address in bad["manager"].text
    assert "rpc_client.addr" in (bad["manager"].remedy or "")


async def test_a_store_that_the_manager_does_not_know(built: Plant) -> None:
    """Its name, and where it must be put right."""
    spoil(built, 'name = "store"', 'name = "cellar"')
    bad = await wrong(built.file)
    assert bad.keys() == {"manager"}
    assert "no store named 'cellar'" in bad["manager"].text
    assert "[[attached]]" in (bad["manager"].remedy or "")


async def test_folders_that_are_not_there(built: Plant) -> None:
    """A store and a thread's location each have a line with the command that makes the folder; so has the file."""
    (built.folder / "store").rmdir()
    (built.folder / "threads" / "0").rmdir()
    bad = await wrong(built.file)
    assert bad.keys() == {"configuration", "store store", "thread 0"}
    assert f"mkdir -p {built.folder / 'store'}" in (bad["store store"].remedy or "")
    assert f"mkdir -p {built.folder / 'threads' / '0'}" in (bad["thread 0"].remedy or "")


async def test_a_store_that_cannot_be_written(built: Plant) -> None:
    """It is wrong, and it is ok when it is attached to be read only."""
    spoil(built, str(built.folder / "store"), "/proc")
    assert "/proc cannot be written" in (await wrong(built.file))["store store"].text
    spoil(built, '"/proc"', '"/proc"\nreadonly = true')
    assert (await answers(built.file))["store store"] == ok("/proc, 0 B free, readonly")


async def test_a_store_with_too_little_room(built: Plant) -> None:
    """A store in which not even one sector of the allowed sizes fits is warned about."""
    spoil(built, '["2KiB"]', '["2KiB", "64GiB"]')
    spoil(built, str(built.folder / "store"), "/dev/shm")  # noqa: S108 - a small disk that every Linux has
    room = (await answers(built.file))["store store"]
    free = os.statvfs("/dev/shm")  # noqa: S108
    if free.f_bavail * free.f_frsize < 64 << 30:
        assert room.level is Level.WARNING
        assert "one sector takes 65.3 GiB" in room.text


async def test_our_processor_that_is_not_there(built: Plant) -> None:
    """What was looked for, and how to get it; the parameters, which it would tell of, were not checked."""
    (built.folder / "seal-processor").unlink()
    found = await answers(built.file)
    assert found["processor"].level is Level.WRONG
    assert str(built.folder / "seal-processor") in found["processor"].text
    assert found["porep parameters"].level is Level.WARNING


async def test_a_processor_of_others_that_is_not_there(built: Plant) -> None:
    """It is named with its stages."""
    tables = "".join(f'[[processors.{stage}]]\nbin = "/nowhere/gpu"\n' for stage in ("pc2", "c2"))
    spoil(built, "[temporal]\n", f"{tables}[temporal]\n")
    found = await answers(built.file)
    assert found["processor pc2, c2"].level is Level.WRONG
    assert "/nowhere/gpu" in found["processor pc2, c2"].text
    assert "its own" in found["porep parameters"].text


@pytest.mark.parametrize(
    ("keys", "level", "text"),
    [
        ('cgroup.cpuset = "0"', Level.OK, "affinity"),
        ('cgroup.cpuset = "0,8000-8001"', Level.WRONG, 'pc2[0]: cgroup.cpuset = "0,8000-8001" names CPUs 8000-8001'),
        ("numa_preferred = 0", Level.WARNING, "numactl is not installed"),
    ],
)
async def test_where_processors_run(
    built: Plant, monkeypatch: pytest.MonkeyPatch, keys: str, level: Level, text: str
) -> None:
    """Which of what the configuration asks for this machine lets one do."""
    monkeypatch.setattr("workers.doctor.placement.numactl", lambda: None)
    spoil(built, "[temporal]\n", f"[[processors.pc2]]\n{keys}\n[temporal]\n")
    found = (await answers(built.file))["placement"]
    assert found.level is level
    assert text in found.text


async def test_a_processor_that_does_not_run(built: Plant) -> None:
    """What it said is shown."""
    (built.folder / "seal-processor").write_text("#!/bin/sh\necho no such library >&2; exit 127\n")
    bad = await wrong(built.file)
    assert "no such library" in bad["processor"].text
    assert "no such library" in bad["porep parameters"].text


async def test_parameters_that_are_missing(built: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which sizes they are of, and the commands that bring them: ours are made, the network's are fetched."""
    monkeypatch.setenv("FIL_PROOFS_PARAMETER_CACHE", "/some where")
    (built.folder / "parameters").unlink()
    spoil(built, '["2KiB"]', '["2KiB", "32GiB"]')
    bad = await wrong(built.file)
    assert bad.keys() == {"porep parameters"}
    assert "2KiB, 32GiB" in bad["porep parameters"].text
    assert bad["porep parameters"].remedy == (
        f"FIL_PROOFS_PARAMETER_CACHE='/some where' {built.folder}/seal-processor params --sector-size 2KiB --kind porep"
        " && FIL_PROOFS_PARAMETER_CACHE='/some where' lotus fetch-params 32GiB"
    )


async def test_a_clock_that_is_off(built: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far, on which side of whose, as a warning."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 90)
    said = (await answers(built.file))["clock"]
    assert said.level is Level.WARNING
    assert f"s ahead of {built.proxy.address}" in said.text
    assert "timedatectl" in (said.remedy or "")


@pytest.mark.parametrize(("hard", "remedy"), [(8192, "ulimit -n 8192"), (4096, "limits.conf")])
async def test_too_few_open_files(hard: int, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the limit is, and what to type as this user, or what an administrator must raise."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    said = (await answers(None))["open files"]
    assert said.level is Level.WRONG
    assert said.text.startswith("1024")
    assert remedy in (said.remedy or "")


async def test_a_check_that_hangs_or_breaks_takes_no_other_along() -> None:
    """Each is a wrong line of its own; the others are answered."""

    async def hang() -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async def broken() -> Answer:
        raise ZeroDivisionError("nobody thought of this")

    async def fine() -> Answer:
        return ok("fine")

    found = await run_all([Check("1", hang), Check("2", broken), Check("3", fine)], limit=0.05)
    assert [one.answer.level for one in found] == [Level.WRONG, Level.WRONG, Level.OK]
    assert "no answer within" in found[0].answer.text
    assert "nobody thought of this" in found[1].answer.text


async def test_a_processor_that_hangs_is_killed(built: Plant) -> None:
    """The check ends in its time, and the program and its children are gone."""
    pids = built.folder / "pids"
    (built.folder / "seal-processor").write_text(f"#!/bin/sh\necho $$ >> {pids}; sleep 98765; true\n")
    bad = await wrong(built.file)
    assert bad.keys() == {"processor", "porep parameters"}
    assert "no answer within" in bad["processor"].text
    groups = [int(line) for line in pids.read_text().split()]
    assert len(groups) == 2
    await built.until(lambda: not any(map(_runs, groups)), "the processor to be gone")


def _runs(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_folder_of_stores_that_hangs(built: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and all else is looked at, the store of the file too."""
    answered = threading.Event()
    monkeypatch.setattr(Config, "stores", lambda _: answered.wait(60))
    monkeypatch.setattr("workers.doctor.examination.CALL_LIMIT", 1.0)
    monkeypatch.setattr("workers.doctor.manager.manager", lambda _: asyncio.sleep(0, ok("not asked")))
    try:
        found = await answers(built.file)
    finally:
        answered.set()
    assert found["folders"].level is Level.WRONG
    assert found["store store"].level is Level.OK


async def test_a_file_that_hangs_holds_up_nothing(built: Plant) -> None:
    """The command ends in its time although a thread still waits for the file, as it would on a dead mount."""
    pipe = built.folder / "pipe"
    os.mkfifo(pipe)
    began = time.monotonic()
    status, said, _ = await run("-c", pipe)
    assert status == 1
    assert "no answer within" in said
    assert time.monotonic() - began < 20
