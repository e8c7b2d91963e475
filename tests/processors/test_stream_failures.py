"""How a stream can misbehave, each with its level and a text that names it, what it did, and where its log is."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealing.failures import Permanent, SealingFailure, Temporary, Wait
from sealing.processors import processes
from sealing.processors.job import Job, run, running
from sealing.processors.processor import Processor, Protocol
from sealing.processors.streams import streaming
from tests.processors.jobs import Alive
from tests.processors.streams import noted, stream_job, until


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder in whose ``processors`` streams run."""
    async with streaming(tmp_path / "processors"):
        yield tmp_path
    assert processes.family(tmp_path / "processors" / "tree_d-0", set()) == []


@pytest.mark.parametrize(
    ("start", "level", "texts"),
    [
        (
            "silent",
            Temporary,
            ["did not say 'tree_d processor ready' within its stable_wait of 0.3 s; is it the right"],
        ),
        ("hello", Temporary, ["within its stable_wait of 0.3 s but 'hello'"]),
        ("other", Permanent, ["says that it does pc9: it is configured for tree_d, correct its bin or args"]),
        ("exit 1", Temporary, ["exited with 1 before it said 'tree_d processor ready'", "last words", "no device"]),
        ("exit 0", Permanent, ["exited with 0 before it said", "correct its bin or args"]),
        ("exit 2", Permanent, ["exited with 2 before it said", "correct its bin or args"]),
        ("exit 127", Permanent, ["exited with 127 before it said"]),
    ],
)
async def test_not_ready(folder: Path, start: str, level: type[SealingFailure], texts: list[str]) -> None:
    """A processor that does not become ready is ended, and its tasks are told what it did instead."""
    job = stream_job(folder, "yes", start, stable_wait=0.3)
    with pytest.raises(SealingFailure) as raised:
        await run(job, on_alive=Alive())
    assert type(raised.value) is level
    said = str(raised.value)
    pid = noted(folder, "starts")[0]
    for text in (f"tree_d: the processor tree_d[0] (perl, pid {pid})", f"{folder}/processors/tree_d-0/log", *texts):
        assert text in said
    await until(lambda: processes.look(int(pid)) is None)


@pytest.mark.parametrize(
    ("does", "texts"),
    [
        ("broken", ["wrote a broken answer", "err_msg"]),
        ("anonymous", ["wrote an answer without the id of a task", "output"]),
        ("stranger", ["answered a task that it was not given", "72"]),
        ("long", ["wrote a line of more than 67108864 bytes, which begins with 'xxx"]),
        ("dies", ["was killed by SIGKILL, perhaps for memory, with 2 of its tasks in flight", "out of luck"]),
        ("crashes", ["exited with 101, with 2 of its tasks in flight", "panicked"]),
        ("mute", ["closed its standard output, on which it has to answer"]),
    ],
)
async def test_everything_in_flight_is_lost(folder: Path, does: str, texts: list[str]) -> None:
    """After what leaves a task without an answer for ever the processor is ended, and all its tasks are Temporary."""
    other = asyncio.create_task(run(stream_job(folder, "hangs", sector="other"), on_alive=Alive()))
    await until(lambda: noted(folder, "tasks"))
    job = stream_job(folder, does)
    for attempt in (other, asyncio.create_task(run(job, on_alive=Alive()))):
        with pytest.raises(SealingFailure) as raised:
            await attempt
        assert type(raised.value) is Temporary
        for text in ("tree_d: the processor tree_d[0] (perl, pid", f"{folder}/processors/tree_d-0/log", *texts):
            assert text in str(raised.value)
        assert len(str(raised.value)) < 2500
    assert not running(job.folder)
    assert processes.look(int(noted(folder, "starts")[0])) is None
    assert (await run(stream_job(folder), on_alive=Alive())).answer


async def test_takes_no_tasks(folder: Path) -> None:
    """A processor that has closed its input is ended when it is given the next task."""
    first = asyncio.create_task(run(stream_job(folder, "deaf", sector="a"), on_alive=Alive()))
    await until(lambda: noted(folder, "deaf"))
    for attempt in (asyncio.create_task(run(stream_job(folder), on_alive=Alive())), first):
        with pytest.raises(Temporary, match=r"takes no tasks any more \(Broken pipe\)"):
            await attempt


async def test_a_long_line_takes_little_memory(folder: Path) -> None:
    """Of a line of 100 MB no more is held than the longest answer may have."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Temporary, match="wrote a line of more than"):
        await run(stream_job(folder, "long"), on_alive=Alive())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    ("does", "level", "text"),
    [
        ("bad", Temporary, "tree_d failed: bad luck"),
        ("shape", Permanent, "wrote an output that is not of the expected shape"),
        ("nothing", Permanent, "wrote an output that is not of the expected shape"),
    ],
)
async def test_its_answer_is_a_failure(folder: Path, does: str, level: type[SealingFailure], text: str) -> None:
    """An answer that is a failure, or of another shape, is its own task's alone: the processor goes on."""
    with pytest.raises(level, match=text):
        await run(stream_job(folder, does), on_alive=Alive())
    assert (await run(stream_job(folder, "yes"), on_alive=Alive())).answer
    assert len(noted(folder, "starts")) == 1


@pytest.mark.parametrize(
    ("program", "text"),
    [("/nowhere/processor", "No such file"), ("/etc", "Permission denied"), ("no-such-program", "No such")],
)
async def test_cannot_be_started(folder: Path, program: str, text: str) -> None:
    """A program that is not there, or none, is Permanent and names it."""
    plain = stream_job(folder)
    processor = Processor("tree_d[0]", (program,), protocol=Protocol.stream)
    job = Job(plain.folder, processor, plain.task, round=0)
    with pytest.raises(Permanent, match=rf"tree_d, tree_d\[0\]: cannot start the processor {program}: {text}"):
        await run(job, on_alive=Alive())


async def test_what_it_left_running_is_ended(folder: Path) -> None:
    """A process that a dead processor had started is ended with it."""
    with pytest.raises(Temporary, match="out of luck"):
        await run(stream_job(folder, "dies", "grandchild"), on_alive=Alive())
    assert processes.family(folder / "processors" / "tree_d-0", set()) == []


async def test_a_full_disk_for_the_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that cannot be written is a wait that says which disk is full; the processor goes on."""
    job = stream_job(folder, f"wait {folder}/go")
    attempt = asyncio.create_task(run(job, on_alive=Alive()))
    await until(lambda: noted(folder, "tasks"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sealing.processors.flight.durable.write", full)
        (folder / "go").touch()
        with pytest.raises(Wait, match=f"the disk of {job.folder} is full"):
            await attempt
    assert (await run(job, on_alive=Alive())).answer
    assert len(noted(folder, "starts")) == 1


async def test_streams_must_be_open(tmp_path: Path) -> None:
    """Outside a worker there is nobody to end a processor: none is started."""
    with pytest.raises(RuntimeError, match="streams are not open"):
        await run(stream_job(tmp_path), on_alive=Alive())
    assert noted(tmp_path, "starts") == []
