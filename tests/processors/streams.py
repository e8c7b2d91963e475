"""Jobs for tests that are done by a stream: a third party's processor, written in Perl."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from sealing.processors.job import Job
from sealing.processors.processor import Processor, Protocol
from sealing.processors.tasks import TreeD

PROGRAM = Path(__file__).with_name("processor.pl")


def perl(folder: Path, start: str = "", *, stage: str = "tree_d", **wanted: Any) -> Processor:
    """Return the processor, which keeps its notes in ``folder``; ``start`` is how it begins."""
    return Processor(
        f"{stage}[0]",
        ("perl", str(PROGRAM), stage, *([start] if start else [])),
        env={"SCRATCH": str(folder)},
        protocol=Protocol.stream,
        **wanted,
    )


def stream_job(
    folder: Path, does: str = "yes", start: str = "", *, sector: str = "sector", job: Any = None, **wanted: Any
) -> Job[Literal[True]]:
    """Return a job of a sector's tree_d that asks the processor to do ``does``."""
    return Job(
        folder=folder / "jobs" / sector / "tree_d",
        processor=perl(folder, start, **wanted),
        task=TreeD(registered_proof="StackedDrg2KiBV1_1", staged_file=does, cache_dir=sector),
        **{"round": 0, **(job or {})},
    )


def noted(folder: Path, what: str) -> list[str]:
    """Return the lines that the processor has noted: its ``starts`` and ``ends``, by pid, and its ``tasks``."""
    return (folder / what).read_text().splitlines() if (folder / what).exists() else []


async def until(true: Callable[[], object]) -> None:
    """Look again and again until something outside this process is so."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.02)
