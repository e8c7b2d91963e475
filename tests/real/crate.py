"""The crate's program, run as anybody would from a command line."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sealing.cache import proof_environment

Task = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a job ended: its exit status, and its answer, None where it wrote none."""

    status: int
    answer: dict[str, Any] | None

    @property
    def output(self) -> Any:
        """What the stage gave. Fails the test where it failed."""
        assert self.answer is not None, f"exit status {self.status} and no answer"
        assert (self.status, self.answer["err_msg"]) == (0, None)
        return self.answer["output"]

    @property
    def error(self) -> str:
        """Why the stage failed. Fails the test where it did not."""
        assert self.answer is not None, f"exit status {self.status} and no answer"
        assert (self.status, self.answer["output"]) == (1, None)
        return str(self.answer["err_msg"])


@dataclass(frozen=True)
class Crate:
    """The program, and the folder for what it might leave beside the files that it is told of."""

    program: Path
    temporary: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return {**os.environ, **proof_environment(), "TMPDIR": str(self.temporary)}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end."""
        return subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, check=False, env=self.environment
        )

    def job(self, folder: Path, stage: str, task: Task) -> Ended:
        """Run a stage as a job whose files are in ``folder``."""
        given, output = folder / f"{stage}.task.json", output_of(folder, stage)
        given.write_text(json.dumps(task))
        output.unlink(missing_ok=True)
        ended = self.run(stage, "--task", given, "--output", output)
        assert ended.stdout == "", "standard output is the line protocol's"
        return Ended(ended.returncode, json.loads(output.read_bytes()) if output.exists() else None)

    def stream(self, *arguments: str) -> Stream:
        """Start a stage that takes tasks as lines. The caller enters it, which ends it too."""
        return Stream(self, arguments)

    def has_parameters(self, kind: str) -> bool:
        """Tell whether the Groth16 parameters of 2 KiB sectors are there: ``porep`` or ``update``."""
        return self.run("params", "--sector-size", "2KiB", "--kind", kind, "--check").returncode == 0


class Stream:
    """A child that speaks the line protocol."""

    def __init__(self, crate: Crate, arguments: tuple[str, ...]) -> None:
        """Start it."""
        self._child = subprocess.Popen(
            [crate.program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=crate.environment,
        )

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process."""
        with self._child:
            self._child.kill()

    def say(self, line: str) -> None:
        """Write a line."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def give(self, number: int, task: Task) -> None:
        """Give a task under a number."""
        self.say(json.dumps({"id": number, "task": task}))

    def line(self) -> str:
        """Return the next line; empty at the end."""
        assert self._child.stdout is not None
        return self._child.stdout.readline().rstrip("\n")

    def answers(self, count: int) -> dict[int, dict[str, Any]]:
        """Return the next ``count`` answers by the numbers of their tasks."""
        return {answer["id"]: answer for answer in (json.loads(self.line()) for _ in range(count))}

    def end(self) -> str:
        """Close its input, wait for its end, and return what it had still said."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        rest = self._child.stdout.read()
        self._child.wait()
        return rest


def output_of(folder: Path, stage: str) -> Path:
    """Return where a stage's answer is."""
    return folder / f"{stage}.output.json"
