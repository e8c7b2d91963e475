"""The command ``sealflow doctor``. Heavy imports wait until it runs, as in workers/commands.py."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from workers.doctor.checks import Finding

COLOURS = {"ok": "green", "warning": "yellow", "WRONG": "red"}

THREADS = 64
"""Folders that may hang at once, and the others are still looked at."""


class Unwaited(ThreadPoolExecutor):
    """Threads that the end does not wait for: one may hang on a dead mount or a name server, and is late for ever."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Let go of the threads."""
        super().shutdown(wait=False, cancel_futures=True)


@click.command()
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="The worker's TOML file.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of {check, ok, text, remedy}.")
def doctor(file: Path | None, *, as_json: bool) -> None:
    """Check whether this machine can seal: what is wrong, and what to type. It changes nothing.

    Exit status 1 if something is wrong; warnings do not count.
    """
    from workers.doctor.checks import Level  # noqa: PLC0415
    from workers.doctor.examination import examine  # noqa: PLC0415

    async def run() -> list[Finding]:
        asyncio.get_running_loop().set_default_executor(Unwaited(THREADS))
        return await examine(file)

    findings = asyncio.run(run())
    click.echo(json.dumps(as_values(findings), indent=2) if as_json else as_lines(findings))
    sys.exit(any(finding.answer.level is Level.WRONG for finding in findings))


def as_values(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return the findings for programs. A warning is ok, and has a remedy."""
    return [
        {
            "check": finding.check,
            "ok": finding.answer.level != "WRONG",
            "text": finding.answer.text,
            "remedy": finding.answer.remedy,
        }
        for finding in findings
    ]


def as_lines(findings: Sequence[Finding]) -> str:
    """Return the findings for people: a line each, and below it, where it is not ok, a line of what to do."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        level, answer = str(finding.answer.level), finding.answer
        lines.append(f"{click.style(f'{level:<7}', COLOURS[level])}  {finding.check:<{width}}  {answer.text}")
        if answer.remedy:
            lines.append(f"{'':7}  {'':{width}}  -> {answer.remedy}")
    return "\n".join(lines)
