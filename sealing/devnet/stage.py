"""Runs one stage of a processor for the embedded manager: one child process, its answer, and nothing left of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealing import foreign
from sealing.cache import proof_environment
from sealing.processors.tasks import StageTask

TASK, OUTPUT, LOG = "task.json", "output.json", "log"
OUTPUT_LIMIT = 1 << 16
"""Bytes of an answer that are read; a whole one is below 100, unless it carries a long error."""
LOG_TAIL = 400
"""Bytes of the log that go into an error."""


class StageError(Exception):
    """A stage could not be run, or took too long; the text says which and why."""


@dataclass(frozen=True)
class Answer:
    """How a stage ended: its exit status, the error and the output that it wrote, and its last words."""

    stage: str
    status: int
    error: object
    output: object
    said: str

    def problem(self) -> str:
        """Return in words why there is no answer."""
        error = self.error
        why = (
            f"it said {error[:LOG_TAIL]}" if isinstance(error, str) else f"its log ends with: {self.said or 'nothing'}"
        )
        return f"{self.stage} gave no answer (exit status {self.status}); {why}"


async def run_stage(argv: Sequence[str], task: StageTask[Any], time_limit: float) -> Answer:
    """Run ``argv`` with a task, for ``time_limit`` seconds at most. Whatever happens, no process is left."""
    with tempfile.TemporaryDirectory(prefix=f"{task.stage}-") as name:
        folder = Path(name)
        try:
            await asyncio.to_thread((folder / TASK).write_text, json.dumps(task.wire()))
            status = await _run(argv, folder, task.stage, time_limit)
            return await asyncio.to_thread(_answer, folder, task.stage, status)
        except OSError as error:
            raise StageError(f"{argv[0]} {task.stage} could not be run: {error}") from error


async def _run(argv: Sequence[str], folder: Path, stage: str, time_limit: float) -> int:
    with (folder / LOG).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stage,
            *("--task", folder / TASK, "--output", folder / OUTPUT),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, **proof_environment()},
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(time_limit):
            return await process.wait()
    except TimeoutError:
        raise StageError(f"{stage} gave no answer within {time_limit:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _answer(folder: Path, stage: str, status: int) -> Answer:
    try:
        found = json.loads(foreign.read(folder / OUTPUT, OUTPUT_LIMIT))
    except (FileNotFoundError, ValueError, RecursionError):
        found = {}
    envelope = found if isinstance(found, dict) else {}
    said = foreign.tail(folder / LOG, LOG_TAIL)
    return Answer(stage, status, envelope.get("err_msg"), envelope.get("output"), said)
