"""A processor of somebody else's, by the line protocol: one process, many tasks, answers kept whoever waits."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter

from sealing.failures import Outage, Permanent, SealingFailure, Temporary
from sealing.processors import piped, processes
from sealing.processors.folder import JobFolder
from sealing.processors.job import Job, job_ended, run, running, running_jobs, stop
from sealing.processors.launch import file_ref
from sealing.processors.streams import streaming
from sealing.processors.tasks import Output, StageTask
from sealing.values import FileRef
from tests.processors.jobs import Alive
from tests.processors.streams import noted, perl, stream_job, until


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder in whose ``processors`` streams run."""
    async with streaming(tmp_path / "processors"):
        yield tmp_path
    assert [pid for pid in noted(tmp_path, "starts") if processes.look(int(pid))] == []


async def start(job: Job[Any], folder: Path, tasks: int = 1) -> asyncio.Task[Any]:
    """Start a job and return when the processor has got so many tasks in all."""
    attempt = asyncio.create_task(run(job, on_alive=Alive()))
    await until(lambda: attempt.done() or len(noted(folder, "tasks")) >= tasks)
    return attempt


async def failed(attempt: asyncio.Task[Any]) -> SealingFailure:
    """Return how an attempt failed."""
    with pytest.raises(SealingFailure) as raised:
        await attempt
    return raised.value


async def test_runs(folder: Path) -> None:
    """A stream's answer is a job's result like any other: parsed, by reference, with its run time, and found again."""
    job = stream_job(folder)
    result = await run(job, on_alive=Alive())
    assert result.output() is True
    assert not result.attached
    assert json.loads(JobFolder(job.folder).output.read_bytes()) == {"err_msg": None, "output": True}
    assert not running(job.folder)
    again = await run(job, on_alive=Alive())
    assert again.attached
    assert (again.output_ref, again.run_seconds) == (result.output_ref, result.run_seconds)
    assert noted(folder, "tasks") == ["yes"]


async def test_one_process_for_many_tasks(folder: Path) -> None:
    """Tasks go to one process, several at a time, and their answers may come in another order."""
    alive = Alive()
    slow = asyncio.create_task(run(stream_job(folder, f"wait {folder}/go", sector="a"), on_alive=alive, beat=0.02))
    await until(lambda: noted(folder, "tasks"))
    assert (await run(stream_job(folder, sector="b"), on_alive=Alive())).answer
    assert not slow.done()
    assert running_jobs(folder / "jobs") == [JobFolder(folder / "jobs" / "a" / "tree_d")]
    (folder / "go").touch()
    assert (await slow).answer
    (pid,) = noted(folder, "starts")
    assert {beat["pid"] for beat in alive.beats if beat["phase"] == "running"} == {int(pid)}


async def test_waits_until_it_is_ready(folder: Path) -> None:
    """While its processor gets ready, a job's heartbeats say so."""
    alive = Alive()
    with pytest.raises(Temporary, match=r"stable_wait of 0.2 s"):
        await run(stream_job(folder, "yes", "silent", stable_wait=0.2), on_alive=alive, beat=0.02)
    assert "waits for its processor to be ready" in {beat["phase"] for beat in alive.beats}


async def test_many_at_once(folder: Path) -> None:
    """Attempts that come in one moment share the start of the process and get each their own answer."""
    jobs = [stream_job(folder, "yes", sector=f"s{number}") for number in range(20)]
    results = await asyncio.gather(*(run(job, on_alive=Alive()) for job in jobs))
    assert all(result.answer for result in results)
    assert len(noted(folder, "starts")) == 1


async def test_a_pause_keeps_the_answer(folder: Path) -> None:
    """An attempt that lets go leaves the task in flight; its answer is there for the next attempt."""
    job = stream_job(folder, f"wait {folder}/go")
    attempt = await start(job, folder)
    attempt.cancel()
    await asyncio.wait([attempt])
    assert running(job.folder)
    (folder / "go").touch()
    await asyncio.wait_for(job_ended(job.folder), 10)
    assert (await run(job, on_alive=Alive())).attached
    assert len(noted(folder, "tasks")) == 1


async def test_attached_while_in_flight(folder: Path) -> None:
    """A resume that comes before the answer attaches to the task that is in flight."""
    job = stream_job(folder, f"wait {folder}/go")
    attempt = await start(job, folder)
    attempt.cancel()
    await asyncio.wait([attempt])
    result = await run(job, on_alive=Alive(lambda _: (folder / "go").touch()), beat=0.02)
    assert result.attached
    assert len(noted(folder, "tasks")) == 1


async def test_stopped_with_its_processor(folder: Path) -> None:
    """Only the processor's end ends a task. What else it did is no failure of those, and runs again on a new one."""
    wanted, other = (stream_job(folder, f"wait {folder}/go", sector=name) for name in "ab")
    attempts = [await start(wanted, folder), await start(other, folder, 2)]
    assert await stop(wanted.folder)
    stopped, disturbed = [await failed(each) for each in attempts]
    assert type(stopped) is Temporary
    assert "tree_d was stopped, and the processor tree_d[0]" in str(stopped)
    assert type(disturbed) is Outage
    assert f"had to be ended to stop {wanted.folder}" in str(disturbed)
    assert "uses up no retry" in str(disturbed)
    assert not running(wanted.folder)
    (folder / "go").touch()
    assert (await run(other, on_alive=Alive())).answer
    assert len(noted(folder, "starts")) == 2


async def test_a_done_job_is_stopped_without_its_processor(folder: Path) -> None:
    """A task that is answered has nothing to be stopped: the processor goes on with the others."""
    done, busy = stream_job(folder, sector="a"), stream_job(folder, f"wait {folder}/go", sector="b")
    await run(done, on_alive=Alive())
    attempt = await start(busy, folder, 2)
    assert not await stop(done.folder)
    (folder / "go").touch()
    assert (await attempt).answer


async def test_beyond_its_time_limit(folder: Path) -> None:
    """A task that takes too long is stopped with its processor, and said to be so."""
    failure = await failed(await start(stream_job(folder, "hangs", job={"time_limit": 0.3}), folder))
    assert type(failure) is Temporary
    assert "was stopped after its time limit of 0.3 s, and the processor tree_d[0] with it" in str(failure)


async def test_other_inputs_start_anew(folder: Path) -> None:
    """A task of another round ends the one in flight, with its processor, and is done by a new one."""
    attempt = await start(stream_job(folder, "hangs"), folder)
    assert (await run(stream_job(folder, "yes", job={"round": 1}), on_alive=Alive())).answer
    assert type(await failed(attempt)) is Temporary
    assert len(noted(folder, "starts")) == 2


async def test_ends_with_the_worker(tmp_path: Path) -> None:
    """At the worker's end no processor is left, nor what it started; a task in flight is no failure, and runs again."""
    job = stream_job(tmp_path, f"wait {tmp_path}/go")
    async with streaming(tmp_path / "processors"):
        attempt = await start(job, tmp_path)
    failure = await failed(attempt)
    assert type(failure) is Outage
    assert "ends with this worker" in str(failure)
    assert processes.family(tmp_path / "processors" / "tree_d-0", set()) == []
    (tmp_path / "go").touch()
    async with streaming(tmp_path / "processors"):
        assert not (await run(job, on_alive=Alive())).attached


async def test_ends_by_the_end_of_its_input(tmp_path: Path) -> None:
    """A processor that is at nothing is ended by the end of its input: no signal cuts it short."""
    async with streaming(tmp_path / "processors"):
        await run(stream_job(tmp_path), on_alive=Alive())
    assert noted(tmp_path, "ends") == noted(tmp_path, "starts")


WORKER = """
import asyncio, sys
from pathlib import Path
from sealing.processors.job import run
from sealing.processors.streams import streaming
from tests.processors.streams import stream_job
async def main():
    folder = Path(sys.argv[1])
    async with streaming(folder / "processors"):
        await run(stream_job(folder, f"wait {folder}/go"), on_alive=lambda facts: None)
asyncio.run(main())
"""


def killable(folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker as a process of its own."""
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder)])


async def test_a_killed_worker_takes_its_processors_along(tmp_path: Path) -> None:
    """A worker that was killed by -9 leaves none at work on a sector's files, and its task is run again."""
    worker = killable(tmp_path)
    await until(lambda: noted(tmp_path, "tasks"))
    job = stream_job(tmp_path, f"wait {tmp_path}/go")
    assert running(job.folder)
    async with streaming(tmp_path / "processors"):
        with pytest.raises(Temporary, match="two workers of one name"):
            await run(stream_job(tmp_path, sector="other"), on_alive=Alive())
    worker.kill()
    worker.wait()
    assert not running(job.folder)
    async with streaming(tmp_path / "processors"):
        assert processes.family(tmp_path / "processors" / "tree_d-0", set()) == []
        (tmp_path / "go").touch()
        assert not (await run(job, on_alive=Alive())).attached
    assert len(noted(tmp_path, "starts")) == 2


async def test_a_killed_processor_is_started_again(folder: Path) -> None:
    """A processor that was killed loses what is in flight: Temporary, and the next attempt has a new one."""
    job = stream_job(folder, f"wait {folder}/go")
    attempt = await start(job, folder)
    os.kill(int(noted(folder, "starts")[0]), signal.SIGKILL)
    failure = await failed(attempt)
    assert type(failure) is Temporary
    assert "was killed by SIGKILL, perhaps for memory, with 1 of its tasks in flight" in str(failure)
    (folder / "go").touch()
    assert not (await run(job, on_alive=Alive())).attached
    assert len(noted(folder, "starts")) == 2


async def test_not_restarted_in_haste(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends again and again without an answer is started after pauses that grow; an answer ends them."""
    monkeypatch.setattr("sealing.processors.streams.FIRST_PAUSE", 0.2)
    for _ in range(3):
        await failed(await start(stream_job(folder, "crashes"), folder, 99))
    began = time.monotonic()
    assert (await run(stream_job(folder), on_alive=Alive())).answer
    assert 0.5 < time.monotonic() - began < 5
    monkeypatch.setattr("sealing.processors.streams.FIRST_PAUSE", 3600)
    await failed(await start(stream_job(folder, "crashes"), folder, 99))
    await run(stream_job(folder, "yes", job={"round": 1}), on_alive=Alive())


async def test_not_restarted_where_it_may_not(folder: Path) -> None:
    """With auto_restart = false the tasks after its end are Permanent and name the key; a stop of ours is no end."""
    hanging = await start(stream_job(folder, "hangs", auto_restart=False), folder)
    await stop(folder / "jobs" / "sector" / "tree_d")
    await failed(hanging)
    assert type(await failed(await start(stream_job(folder, "dies", auto_restart=False), folder, 99))) is Temporary
    failure = await failed(await start(stream_job(folder, auto_restart=False), folder, 99))
    assert type(failure) is Permanent
    assert "auto_restart = true" in str(failure)
    assert len(noted(folder, "starts")) == 2


class Proving(StageTask[dict[Literal["length"], int]]):
    """A task with an earlier stage's output, as c2 has."""

    stage = "proving"
    answer = TypeAdapter(dict[Literal["length"], int])

    before: Output


async def test_an_earlier_output_is_sent_whole(folder: Path) -> None:
    """Others know no references: an output of 20 MB goes over the pipe, and the event loop is free meanwhile."""
    content = "x" * 20_000_000
    (folder / "before.json").write_text(json.dumps({"err_msg": None, "output": {"proofs": content}}))
    ref: FileRef = file_ref(folder / "before.json")
    job = Job(folder / "jobs" / "sector" / "proving", perl(folder, stage="proving"), Proving(before=ref), round=0)
    result = await run(job, on_alive=Alive())
    assert result.answer == {"length": len(json.dumps({"before": {"proofs": content}}, separators=(",", ":")))}
    assert "$file" in JobFolder(job.folder).task.read_text()


async def test_what_it_says_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its standard error is a log, begun anew when it is long; a job's own log says where that is."""
    monkeypatch.setattr(piped, "LOG_LIMIT", 5)
    said = folder / "processors" / "tree_d-0" / "log"
    await failed(await start(stream_job(folder, "dies"), folder, 99))
    assert said.read_text() == "out of luck\n"
    await run(stream_job(folder), on_alive=Alive())
    assert (said.read_text(), said.with_suffix(".before").read_text()) == ("", "out of luck\n")
    assert str(said) in (folder / "jobs" / "sector" / "tree_d" / "log").read_text()


async def test_chatter_is_no_answer(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lines that are not meant as answers, before it is ready and later, are logged and cost nothing."""
    with caplog.at_level(logging.WARNING):
        assert (await run(stream_job(folder, "chatter", "chatty"), on_alive=Alive())).answer
    assert "a line that is no answer, 'progress 50%' (1 so far)" in caplog.text


async def test_the_first_of_two_answers_counts(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second answer to one task is logged and changes nothing."""
    assert (await run(stream_job(folder, "twice"), on_alive=Alive())).answer
    await until(lambda: "answered task 1 twice: the first answer counts" in caplog.text)
    assert (await run(stream_job(folder, sector="b"), on_alive=Alive())).answer


async def test_an_answer_may_leave_out_the_message(folder: Path) -> None:
    """An answer without err_msg is one without a failure."""
    assert (await run(stream_job(folder, "bare"), on_alive=Alive())).answer
