"""The two command lines of Temporal, run as the programs that they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sealing.cache import find_temporal
from tests.needs import need_tctl

WITHIN = 60.0
"""Seconds within which a command must have ended."""


class Signals(Protocol):
    """A way to signal a workflow."""

    def __call__(self, workflow: str, sector: str, name: str, argument: str | None) -> list[str]:
        """Return the command's words. ``argument`` is JSON, None for none at all."""


@dataclass(frozen=True)
class Terminal:
    """Where commands are typed: with a home of its own, so that no setting of the user's is read."""

    address: str
    home: Path

    async def type(self, argv: Sequence[str]) -> str:
        """Run a command to its end and return what it printed. Fails the test unless its status is 0."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self.home), "TEMPORAL_ADDRESS": self.address, "TEMPORAL_CLI_ADDRESS": self.address},
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), WITHIN)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        printed = output.decode()
        assert process.returncode == 0, f"{' '.join(argv)} ended with status {process.returncode}:\n{printed}"
        return printed


def temporal(*words: str) -> list[str]:
    """Return a command of ``temporal``."""
    return [str(find_temporal()), *words]


def tctl(*words: str) -> list[str]:
    """Return a command of ``tctl``, or skip the test."""
    return [str(need_tctl()), *words]


def temporal_by_id(workflow: str, sector: str, name: str, argument: str | None) -> list[str]:  # noqa: ARG001 - of Signals
    """Signal one workflow."""
    return temporal("workflow", "signal", "-w", workflow, "--name", name, *_option("--input", argument))


def temporal_by_query(workflow: str, sector: str, name: str, argument: str | None) -> list[str]:  # noqa: ARG001 - of Signals
    """Signal whatever a query finds: here what runs for one sector."""
    query = f"SectorId = '{sector}' AND WorkflowType = 'Sealer'"
    words = ("--query", query, "--reason", "a test", "--yes", "--name", name)
    return temporal("workflow", "signal", *words, *_option("--input", argument))


def tctl_by_id(workflow: str, sector: str, name: str, argument: str | None) -> list[str]:  # noqa: ARG001 - of Signals
    """Signal one workflow by the older command line."""
    return tctl("workflow", "signal", "-w", workflow, "-n", name, *_option("-i", argument))


def temporal_answer(printed: str) -> Any:
    """Return what a query answered, as ``temporal workflow query --output json`` prints it."""
    return json.loads(printed)["queryResult"][0]


def tctl_answer(printed: str) -> Any:
    """Return what a query answered, as ``tctl workflow query`` prints it: a heading, then a list of JSON texts."""
    return json.loads(printed.partition("\n")[2])[0]


def _option(name: str, argument: str | None) -> tuple[str, ...]:
    return () if argument is None else (name, argument)
