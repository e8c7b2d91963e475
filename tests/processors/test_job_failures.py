"""How a job can fail, each with its level and a text that says what happened and what to do."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sealing.failures import Permanent, SealingFailure, Temporary, Wait
from sealing.processors.folder import JobFolder
from sealing.processors.job import Job, run, running, stop
from sealing.processors.launch import file_ref
from sealing.processors.processor import Processor
from sealing.processors.programs import SIMULATED
from sealing.processors.tasks import C2
from sealing.stores import space
from sealing.values import FileRef
from tests.processors.jobs import Alive, script_job, starts

ZEROS = "00" * 32


async def failure(job: Job[Any]) -> SealingFailure:
    """Run a job that has to fail, and return how it did."""
    with pytest.raises(SealingFailure) as raised:
        await run(job, on_alive=Alive())
    assert not running(job.folder)
    return raised.value


@pytest.mark.parametrize(
    ("script", "level", "texts"),
    [
        ('printf \'{"err_msg": "bad luck", "output": null}\' > $5; exit 1', Temporary, ["tree_d failed: bad luck"]),
        (
            'printf \'{"err_msg": "x: No space left on device (os error 28)", "output": null}\' > $5; exit 1',
            Wait,
            ["a disk is full", "os error 28", "waiting for space: make room"],
        ),
        ("echo last words; kill -9 $$", Temporary, ["killed by SIGKILL, perhaps for memory", "last words", "/log"]),
        ("kill -SEGV $$", Temporary, ["signal 11 (Segmentation fault)", "no word in"]),
        ("echo panicked >&2; exit 101", Temporary, ["exited with 101", "panicked"]),
        ("exit 3", Wait, ["exited with 3", "is full; waiting for space"]),
        ("kill -BUS $$", Temporary, ["signal 7 (Bus error)"]),
        ("echo unknown stage; exit 2", Permanent, ["exited with 2", "unknown stage", "correct the configuration"]),
        ("exit 127", Permanent, ["exited with 127", "correct the configuration"]),
        ("exit 0", Permanent, ["exited with 0 and left no output", "contract"]),
        ("echo rubbish > $5", Permanent, ["not of the expected shape", "rubbish", "right program"]),
        ('echo \'{"err_msg": null, "output": tr\' > $5', Permanent, ["not of the expected shape"]),
        ('echo \'{"err_msg": null, "output": 7}\' > $5', Permanent, ["not of the expected shape", "7"]),
        ('echo \'{"err_msg": 7, "output": true}\' > $5', Permanent, ["neither null nor a text"]),
        ("echo '[]' > $5", Permanent, ["not an object with err_msg and output"]),
        ("yes '[' | head -c 100000 > $5", Permanent, ["not of the expected shape"]),
    ],
)
async def test_fails(tmp_path: Path, script: str, level: type[SealingFailure], texts: list[str]) -> None:
    """What a processor says, how it ends, and what it writes make the level and the text."""
    failed = await failure(script_job(tmp_path, script))
    assert type(failed) is level
    for text in texts:
        assert text in str(failed)
    assert len(str(failed)) < 2500


async def test_a_failure_runs_again(tmp_path: Path) -> None:
    """An output that is a failure, or rubbish, is not kept: the next attempt runs the stage again."""
    script = f"echo x >> {tmp_path}/starts; [ $(wc -l < {tmp_path}/starts) = 3 ] && answer && exit 0; echo rubbish > $5"
    job = script_job(tmp_path, script)
    for _ in range(2):
        assert type(await failure(job)) is Permanent
    assert (await run(job, on_alive=Alive())).answer
    assert starts(tmp_path) == 3
    assert (job.folder / "log.before").exists()


async def test_a_whole_output_counts_more_than_the_exit(tmp_path: Path) -> None:
    """A processor that wrote its answer and then crashed on its way out has done its work."""
    assert (await run(script_job(tmp_path, "answer; kill -SEGV $$"), on_alive=Alive())).answer


@pytest.mark.parametrize(
    ("mode", "content", "why"),
    [
        (None, "", "No such file"),
        (0o644, "#!/bin/sh\n", "Permission denied"),
        (0o755, "neither script nor binary", "Exec format error"),
        (0o755, "#!/nowhere/interpreter\n", "No such file"),
    ],
)
async def test_program_that_cannot_be_started(tmp_path: Path, mode: int | None, content: str, why: str) -> None:
    """A missing program, or one that is none, is Permanent: it names the program and what to do."""
    program = tmp_path / "processor"
    if mode is not None:
        program.write_text(content)
        program.chmod(mode)
    plain = script_job(tmp_path, "")
    failed = await failure(Job(plain.folder, Processor("tree_d", (str(program),)), plain.task, round=0))
    assert type(failed) is Permanent
    assert str(failed).startswith(f"cannot start the processor {program}: {why}")
    assert "correct its path in the configuration" in str(failed)


async def test_beyond_its_time_limit(tmp_path: Path) -> None:
    """A job that hangs is stopped with all it started once its time is over."""
    job = script_job(tmp_path, "sleep 60 & sleep 60", time_limit=0.3)
    began = time.monotonic()
    failed = await failure(job)
    assert time.monotonic() - began < 10
    assert type(failed) is Temporary
    assert "was stopped after its time limit of 0.3 s" in str(failed)


async def test_the_time_limit_counts_from_the_start(tmp_path: Path) -> None:
    """An attempt that attaches gives the job no new time."""
    attempt = asyncio.create_task(run(script_job(tmp_path, f"echo >> {tmp_path}/starts; sleep 60"), on_alive=Alive()))
    while not starts(tmp_path):  # noqa: ASYNC110 - other processes set no event here
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    attempt.cancel()
    failed = await failure(script_job(tmp_path, f"echo >> {tmp_path}/starts; sleep 60", time_limit=0.2))
    assert "time limit" in str(failed)
    assert starts(tmp_path) == 1


async def test_stopped_while_somebody_waits(tmp_path: Path) -> None:
    """An attempt whose job is stopped by somebody else is told so."""
    job = script_job(tmp_path, f"echo >> {tmp_path}/starts; exec sleep 60")
    attempt = asyncio.create_task(run(job, on_alive=Alive()))
    while not starts(tmp_path):  # noqa: ASYNC110 - other processes set no event here
        await asyncio.sleep(0.02)
    assert await stop(job.folder)
    with pytest.raises(Temporary, match=r"signal 15 \(Terminated\)"):
        await attempt


LIMITED = (
    "import resource,os,sys; resource.setrlimit(resource.RLIMIT_FSIZE,(500,500)); os.execv(sys.argv[1], sys.argv[1:])"
)


async def test_disk_full_for_the_output(tmp_path: Path) -> None:
    """A processor that cannot write its output says so by its exit status."""
    zeros = [0] * 32
    output = {"comm_r": zeros, "comm_d": zeros, "ticket": zeros, "seed": zeros}
    (tmp_path / "c1.json").write_text(json.dumps({"err_msg": None, "output": output}))
    task = C2(c1out=file_ref(tmp_path / "c1.json"), prover_id=ZEROS, sector_id=1, miner_id=1)
    limited = Processor("c2", (sys.executable, "-c", LIMITED, *SIMULATED))
    failed = await failure(Job(tmp_path / "sector" / "c2", limited, task, round=0))
    assert isinstance(failed, Wait)
    assert failed.delay == space.LOOK_AGAIN
    assert "exited with 3" in str(failed)
    assert f"the disk of {tmp_path}/sector/c2 is full; waiting for space" in str(failed)


async def test_disk_full_at_the_start(tmp_path: Path) -> None:
    """A full disk when the job is started is waited for, and the wait says which it is."""
    plain = script_job(tmp_path, "answer")

    def prepare(_: object) -> None:
        raise OSError(28, os.strerror(28))

    failed = await failure(Job(plain.folder, plain.processor, plain.task, round=0, prepare=prepare))
    assert isinstance(failed, Wait)
    assert str(failed) == (
        f"the disk of {plain.folder} is full (No space left on device); waiting for space: make room there"
    )


async def test_disk_full_when_the_output_is_settled(tmp_path: Path) -> None:
    """The same of what makes the stage's files durable; it is settled, and not run again, when there is room."""
    full = [OSError(28, os.strerror(28))]

    def settle(_: object) -> None:
        if full:
            raise full.pop()

    job = script_job(tmp_path, f"echo >> {tmp_path}/starts; answer", settle=settle)
    assert isinstance(await failure(job), Wait)
    assert (await run(job, on_alive=Alive())).answer
    assert starts(tmp_path) == 1


@pytest.mark.parametrize(
    ("script", "level"), [("kill -BUS $$", Wait), ("exit 120", Wait), ("exit 0", Wait), ("exit 2", Permanent)]
)
async def test_ends_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, level: type[SealingFailure]
) -> None:
    """A program that cannot write its log, or to mapped memory, ends in its own way: the disk is what is wrong."""
    monkeypatch.setattr(space, "free", lambda _: 4096)
    failed = await failure(script_job(tmp_path, script))
    assert type(failed) is level
    assert ("waiting for space" in str(failed)) == (level is Wait)


async def test_a_folder_that_goes_is_not_made_again(tmp_path: Path) -> None:
    """A disk that is unmounted while a stage runs leaves a folder in which nothing is made."""
    job = script_job(tmp_path, f"sleep 0.5; rm -r {tmp_path}/sector; exit 1")
    assert "has gone while tree_d ran" in str(await failure(job))
    assert not (tmp_path / "sector").exists()


async def test_a_changed_input_is_refused(tmp_path: Path) -> None:
    """An earlier stage's output that is gone, or not what that stage wrote, is not computed with."""
    output = tmp_path / "c1.json"
    ref = FileRef(path=str(output), size=2, sha256=ZEROS)
    task = C2(c1out=ref, prover_id=ZEROS, sector_id=1, miner_id=1)
    job = Job(tmp_path / "sector" / "c2", script_job(tmp_path, "answer").processor, task, round=0)
    assert f"{output}, is gone" in str(await failure(job))
    output.write_text("{}")
    failed = await failure(job)
    assert type(failed) is Permanent
    assert f"{output}, is not what that stage wrote" in str(failed)


async def test_a_lock_of_somebody_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock held by a process that is not the job's is told, and nothing is killed for it."""
    monkeypatch.setattr("sealing.processors.folder.PATIENCE", 0.1)
    job = script_job(tmp_path, "answer")
    job.folder.mkdir(parents=True)
    with (job.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Temporary, match="a process that is not known"):
            await run(job, on_alive=Alive())
    assert JobFolder(job.folder).halt() is False
