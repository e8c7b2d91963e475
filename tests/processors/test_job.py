"""A job outlives whoever started it: started once, attached to, taken, let go, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sealing.failures import Temporary
from sealing.processors import processes
from sealing.processors.folder import JobFolder
from sealing.processors.job import Job, discard, job_ended, run, running, running_jobs, stop, stop_all
from tests.processors.jobs import Alive, script_job, starts

FAST = 0.02
COUNT = 'echo $$ >> "{folder}/starts"'
WAIT = 'while [ ! -e "{folder}/go" ]; do sleep 0.02; done'


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder whose jobs are ended after the test."""
    yield tmp_path
    await stop_all(tmp_path / "sector", grace=0)


def counted(folder: Path, script: str = "", **wanted: Any) -> Job[Any]:
    """Return a job whose script counts its starts, does ``script`` and answers."""
    lines = f"set -e\n{COUNT}\n{script}\nanswer".replace("{folder}", str(folder))
    return script_job(folder, lines, **wanted)


async def until(true: Callable[[], object]) -> None:
    """Look again and again until something outside this process is so."""
    while not true():  # noqa: ASYNC110 - other processes set no event here
        await asyncio.sleep(FAST)


async def let_go(job: Job[Any], folder: Path) -> None:
    """Start a job and cancel the attempt that started it."""
    attempt = asyncio.create_task(run(job, on_alive=Alive()))
    await until(lambda: starts(folder))
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_runs(folder: Path) -> None:
    """A job's result is its parsed answer, the output file by reference, and its run time."""
    job = counted(folder, "sleep 0.3")
    alive = Alive()
    result = await run(job, on_alive=alive, beat=FAST)
    output = JobFolder(job.folder).output
    assert result.output() is True
    assert not result.attached
    assert result.output_ref.path == str(output)
    assert result.output_ref.size == output.stat().st_size
    assert result.run_seconds > 0.25
    assert "running" in {beat["phase"] for beat in alive.beats}
    assert not running(job.folder)


async def test_gets_its_task_and_nothing_on_stdin(folder: Path) -> None:
    """The processor finds the task in its file, and stdin is empty."""
    job = counted(folder, 'cat > "{folder}/stdin"; cp "$3" "{folder}/task"')
    await run(job, on_alive=Alive())
    assert json.loads((folder / "task").read_text()) == job.task.wire()
    assert not (folder / "stdin").read_text()


async def test_done_is_taken(folder: Path) -> None:
    """A job that is done is not run again; its run time stays that of the run."""
    job = counted(folder, "sleep 0.2")
    first = await run(job, on_alive=Alive())
    second = await run(job, on_alive=Alive())
    assert starts(folder) == 1
    assert second.attached
    assert (second.answer, second.output_ref, second.run_seconds) == (
        first.answer,
        first.output_ref,
        first.run_seconds,
    )


async def test_cancelled_lets_go_and_is_found_again(folder: Path) -> None:
    """A cancelled attempt leaves the job running; the next one attaches and takes its result."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    assert running(job.folder)
    assert [job.path for job in running_jobs(folder)] == [folder / "sector" / "tree_d"]
    attempt = asyncio.create_task(run(job, on_alive=Alive(lambda _: (folder / "go").touch()), beat=FAST))
    result = await attempt
    assert result.attached
    assert starts(folder) == 1


async def test_ended_while_let_go(folder: Path) -> None:
    """A job that ended while nobody looked is taken, and leaves no zombie behind."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    child = Path("/proc", (folder / "starts").read_text().strip())
    (folder / "go").touch()
    await asyncio.wait_for(job_ended(job.folder), 10)
    assert (await run(job, on_alive=Alive())).attached
    assert starts(folder) == 1
    assert not child.exists()  # noqa: ASYNC240 - the kernel answers at once


async def test_two_starters_start_one_child(folder: Path) -> None:
    """Attempts that come at once start one child, and all of them get its result."""
    job = counted(folder, "sleep 0.2")
    results = await asyncio.gather(*(run(job, on_alive=Alive()) for _ in range(5)))
    assert starts(folder) == 1
    assert sorted(result.attached for result in results) == [False, True, True, True, True]


WORKER = """
import asyncio, sys
from pathlib import Path
from typing import Any
from sealing.processors.job import run
from tests.processors.test_job import counted, WAIT
async def main():
    result = await run(counted(Path(sys.argv[1]), WAIT), on_alive=lambda facts: None)
    print(result.attached, flush=True)
asyncio.run(main())
"""


def worker(folder: Path) -> subprocess.Popen[bytes]:
    """Start another process that runs the same job."""
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], stdout=subprocess.PIPE)


async def test_two_processes_start_one_child(folder: Path) -> None:
    """Processes that come at once start one child between them."""
    workers = [worker(folder) for _ in range(2)]
    await until(lambda: starts(folder))
    (folder / "go").touch()
    said = [each.communicate(timeout=30)[0] for each in workers]
    assert sorted(said) == [b"False\n", b"True\n"]
    assert starts(folder) == 1


async def test_survives_a_killed_worker(folder: Path) -> None:
    """A job whose worker was killed by -9 runs on under the same pid, and another worker takes its result."""
    with worker(folder) as first:
        await until(lambda: starts(folder))
        first.kill()
    second = asyncio.create_task(run(counted(folder, WAIT), on_alive=(alive := Alive()), beat=FAST))
    await until(lambda: any(beat["pid"] for beat in alive.beats))
    assert [str(alive.beats[-1]["pid"])] == (folder / "starts").read_text().split()
    (folder / "go").touch()
    assert (await second).attached
    assert starts(folder) == 1


async def test_found_without_a_recorded_pid(folder: Path) -> None:
    """A job whose starter died before it could note the pid is found by its mark."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    files = JobFolder(job.folder)
    record = files.record()
    assert record
    files.note(record.model_copy(update={"pid": None, "began": None}))
    result = await run(job, on_alive=Alive(lambda _: (folder / "go").touch()), beat=FAST)
    assert result.attached
    assert starts(folder) == 1


async def test_a_pid_that_was_given_again_is_not_the_job(folder: Path) -> None:
    """A process that has the recorded pid, but began at another time, is neither waited for nor ended."""
    job = counted(folder)
    await run(job, on_alive=Alive())
    files = JobFolder(job.folder)
    record = files.record()
    assert record
    files.note(record.model_copy(update={"pid": os.getpid()}))
    assert files.leader() is None
    assert not await stop(job.folder)


@pytest.mark.parametrize("change", [{"round": 1}, {"task": "b"}])
async def test_other_inputs_start_anew(folder: Path, change: dict[str, Any]) -> None:
    """Other inputs, or a later round, end the job of the old ones, empty its folder and start anew."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    old = processes.look(int((folder / "starts").read_text()))
    (job.folder / "left").touch()
    (folder / "go").touch()
    result = await run(counted(folder, WAIT, **change), on_alive=Alive())
    assert old
    assert processes.look(old.pid) != old
    assert not (job.folder / "left").exists()
    assert not result.attached


async def test_an_older_round_comes_too_late(folder: Path) -> None:
    """A late attempt of an older round does not touch the job of the newer one."""
    await run(counted(folder, round=3), on_alive=Alive())
    with pytest.raises(Temporary, match=r"round 3 was started in .* older round 2"):
        await run(counted(folder, round=2), on_alive=Alive())
    assert starts(folder) == 1


async def test_one_job_of_a_sector(folder: Path) -> None:
    """Starting a stage ends another stage of the sector that still runs: both would work on the same files."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    other = script_job(folder, "answer")
    await run(Job(job.folder.with_name("pc1"), other.processor, other.task, round=0), on_alive=Alive())
    assert not running(job.folder)


async def test_stop_ends_the_whole_group(folder: Path) -> None:
    """Stop ends the job with all that it started: deaf to SIGTERM, without its environment, in a session of its own."""
    job = counted(
        folder,
        """trap '' TERM
        sh -c 'trap "" TERM; echo $$ >> "{folder}/pids"; while :; do sleep 0.1; done' &
        env -i PATH="$PATH" sh -c 'echo $$ >> "{folder}/pids"; sleep 60; :' &
        setsid sh -c 'echo $$ >> "{folder}/pids"; sleep 60; :' &
        while :; do sleep 0.1; done""",
    )
    await let_go(job, folder)
    await until(lambda: (folder / "pids").exists() and len((folder / "pids").read_text().split()) == 3)
    pids = [int(pid) for pid in ((folder / "pids").read_text() + (folder / "starts").read_text()).split()]
    assert all(processes.look(pid) for pid in pids)
    assert await stop(job.folder, grace=0.2)
    assert [processes.look(pid) for pid in pids] == [None] * 4
    assert not running(job.folder)
    assert not await stop(job.folder)


async def test_stop_lets_a_job_end_by_itself(folder: Path) -> None:
    """Stop asks first: a job that ends upon SIGTERM is not killed."""
    # Redirections alone: a child of the script would be asked to end as well, before or after the script itself.
    trap = """trap ': > "{folder}/asked"; exit 0' TERM; : > "{folder}/trapped"; while :; do sleep 0.02 || :; done"""
    job = counted(folder, trap)
    await let_go(job, folder)
    await until((folder / "trapped").exists)
    began = time.monotonic()
    assert await stop(job.folder, grace=30)
    assert time.monotonic() - began < 10
    assert (folder / "asked").exists()


async def test_what_a_job_leaves_running_is_ended(folder: Path) -> None:
    """A process that the job left behind is ended before the result is given out: it may work on the files."""
    job = counted(folder, 'sleep 60 & echo $! > "{folder}/left"')
    await run(job, on_alive=Alive())
    assert processes.look(int((folder / "left").read_text())) is None


async def test_prepares_at_each_start_and_settles_once(folder: Path) -> None:
    """Files are made ready at each start and only then, and settled once, before the first result."""
    said: list[str] = []
    failing = counted(folder, 'test -e "{folder}/go"')
    job = Job(
        failing.folder,
        failing.processor,
        failing.task,
        round=0,
        prepare=lambda start: said.append(f"prepare {start.again}"),
        settle=lambda _: said.append("settle"),
    )
    with pytest.raises(Temporary):
        await run(job, on_alive=Alive())
    (folder / "go").touch()
    await run(job, on_alive=Alive())
    await run(job, on_alive=Alive())
    assert said == ["prepare False", "prepare True", "settle"]


async def test_an_unsettled_output_is_not_trusted_after_a_power_cut(folder: Path) -> None:
    """What was written before the machine went down, and not settled, is computed anew."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    (folder / "go").touch()
    await asyncio.wait_for(job_ended(job.folder), 10)
    files = JobFolder(job.folder)
    record = files.record()
    assert record
    files.note(record.model_copy(update={"boot": "another"}))
    assert not (await run(job, on_alive=Alive())).attached
    assert starts(folder) == 2


async def test_cancelled_while_preparing_starts_nothing(folder: Path) -> None:
    """An attempt that is cancelled while files are made ready ends that work and starts no child."""
    preparing = asyncio.Event()
    loop = asyncio.get_running_loop()
    plain = counted(folder)
    ended: list[bool] = []

    def prepare(start: object) -> None:
        loop.call_soon_threadsafe(preparing.set)
        with contextlib.suppress(TimeoutError):
            try:
                while True:
                    start.check()  # type: ignore[attr-defined]
                    time.sleep(FAST)
            finally:
                ended.append(True)

    attempt = asyncio.create_task(
        run(Job(plain.folder, plain.processor, plain.task, round=0, prepare=prepare), on_alive=Alive())
    )
    await preparing.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await run(plain, on_alive=Alive())
    assert ended == [True]
    assert starts(folder) == 1


async def test_discarded(folder: Path) -> None:
    """An output that its reader refuses can be discarded: the next attempt runs the job again."""
    job = counted(folder)
    await run(job, on_alive=Alive())
    discard(job.folder)
    assert not (await run(job, on_alive=Alive())).attached
    assert starts(folder) == 2
    discard(folder / "nowhere")


async def test_the_record_may_be_rubbish(folder: Path) -> None:
    """A record that cannot be read makes the job start anew."""
    job = counted(folder)
    await run(job, on_alive=Alive())
    (job.folder / "job.json").write_text("{")
    assert not (await run(job, on_alive=Alive())).attached


def test_no_jobs_where_there_are_none(tmp_path: Path) -> None:
    """A location without jobs has none running."""
    assert running_jobs(tmp_path / "nowhere") == []
    assert not running(tmp_path / "nowhere")


async def test_killed_job_is_run_again(folder: Path) -> None:
    """A job that was killed while nobody looked is run again."""
    job = counted(folder, WAIT)
    await let_go(job, folder)
    os.kill(int((folder / "starts").read_text()), signal.SIGKILL)
    await asyncio.wait_for(job_ended(job.folder), 10)
    (folder / "go").touch()
    assert not (await run(job, on_alive=Alive())).attached
    assert starts(folder) == 2
