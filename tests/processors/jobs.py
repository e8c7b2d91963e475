"""Small jobs for tests: a stage that answers true, done by a shell script."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from sealing.processors.job import Job, running
from sealing.processors.processor import Processor
from sealing.processors.tasks import TreeD

ANSWER = """
out=$5
answer() { printf '{"err_msg": null, "output": true}' > "$out.tmp"; mv "$out.tmp" "$out"; }
"""
"""Start of a script: ``answer`` writes the output. The arguments are those of the contract."""


def script_job(folder: Path, script: str, task: str = "a", **wanted: Any) -> Job[Literal[True]]:
    """Return a job in ``folder``/sector/tree_d that runs ``script``. Another ``task`` is another fingerprint."""
    program = folder / f"program-{zlib.crc32(script.encode())}"
    program.write_text(f"#!/bin/sh\n{ANSWER}{script}\n")
    program.chmod(0o755)
    return Job(
        folder=folder / "sector" / "tree_d",
        processor=Processor("script", (str(program),)),
        task=TreeD(registered_proof="StackedDrg2KiBV1_1", staged_file=task, cache_dir="c"),
        **{"round": 0, **wanted},
    )


def starts(folder: Path) -> int:
    """Return how often a script has run that adds a line to ``starts``."""
    return len((folder / "starts").read_text().splitlines()) if (folder / "starts").exists() else 0


class Alive:
    """Records heartbeats, and lets a test wait for one."""

    def __init__(self, then: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Do ``then`` at each heartbeat."""
        self.beats: list[dict[str, Any]] = []
        self.then = then

    def __call__(self, facts: dict[str, Any]) -> None:
        """Record a heartbeat."""
        self.beats.append(facts)
        self.then(facts)


def is_running(job: Job[Any]) -> bool:
    """Tell whether the job runs."""
    return running(job.folder)
