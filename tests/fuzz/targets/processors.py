"""What programs of others write: lines, outputs, and what lies in a job's folder."""

from __future__ import annotations

from typing import Any

from sealing.failures import SealingFailure
from sealing.processors import tasks
from sealing.processors.folder import JobFolder
from sealing.processors.lines import Answer, BrokenLineError, LineReader, read_answer, shown
from sealing.processors.outcome import End, found_answer
from sealing.processors.outcome import read_answer as read_output
from sealing.processors.tasks import StageTask
from tests.fuzz.target import Target, check_text, folder, head_and_rest, written

STAGES: dict[str, StageTask[Any]] = {
    kind.stage: kind.model_construct()
    for kind in vars(tasks).values()
    if isinstance(kind, type) and issubclass(kind, StageTask) and hasattr(kind, "stage")
}
NAMES = sorted(STAGES)
LINE_LIMIT = 4096


def lines(data: bytes) -> None:
    """Read what a processor writes, in pieces of the sizes that the first line says, and every answer in it."""
    head, rest = head_and_rest(data)
    sizes = [int(word) for word in head if word.isascii() and word.isdigit() and 0 < len(word) < 5 and int(word)]
    stage = STAGES[NAMES[len(rest) % len(NAMES)]]
    reader, start = LineReader(LINE_LIMIT), 0
    for size in [*sizes, len(rest) + 1]:
        for line in reader.feed(rest[start : start + size]):
            check_text(shown(line))
            _answered(read_answer(line), stage)
        assert len(reader._held) <= LINE_LIMIT
        start += size


def _answered(answer: Answer | None, stage: StageTask[Any]) -> None:
    if answer is not None and answer.envelope.get("err_msg") is None:
        try:
            stage.read(answer.envelope.get("output"))
        except ValueError as error:
            check_text(str(error)[:200])


def output(data: bytes) -> None:
    """Take a job's output: the first word is the stage."""
    head, rest = head_and_rest(data)
    stage = STAGES.get(head[0] if head else "", STAGES[NAMES[len(data) % len(NAMES)]])
    files = JobFolder(folder() / "jobs" / "stage")
    written("jobs/stage/output.json", rest)
    found_answer(files, stage)
    read_output(files, stage, End("program", 0))


def record(data: bytes) -> None:
    """Look at a job's folder whose record is anything, as a worker that starts does."""
    files = JobFolder(folder() / "jobs" / "found")
    written("jobs/found/job.json", data)
    written("jobs/found/lock", b"")
    written("jobs/found/log", data)
    files.record()
    files._noted_leader()
    assert not files.is_running()
    check_text(files.log_tail())


WORDS = (
    b'"id":1', b'"id":', b'"err_msg":null', b'"err_msg":"', b'"output":', b"\n", b"1 7 64\n",
    b"[" + b"255," * 31 + b"1]",
    b"256", b"-1", b"1e400", b"9" * 4301, b'"commitment":', b'"size":127', b'"proof":[', b'"comm_r":', b'"comm_d":',
    b'"registered_proof":', b'"\\ud800"', b"true", b'"pid":', b'"began":', b'"boot":', b'"fingerprint":"', b'"round":',
    *(f"{name}\n".encode() for name in NAMES),
)  # fmt: skip

TARGETS = (
    Target("processor-lines", lines, (BrokenLineError,), WORDS),
    Target("job-output", output, (SealingFailure,), WORDS),
    Target("job-record", record, words=WORDS),
)
