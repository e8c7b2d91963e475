"""Where the worker's CPU goes while it seals sectors whose steps do nothing: what ``bench.engine`` runs, under py-spy.

Run by ``make bench-profile``. A sample counts where a thread has Python's lock, and for the innermost frame that has a
place in ``PLACES``: what a library does, it does for its caller.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.engine import AT_ONCE, many, ours
from sealing.cache import ProgramMissingError
from tests.world.stage import staged
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

SECTORS, RATE = 200, 200
PLACES = {
    "temporalio/converter/": "the SDK: payloads converted",
    "temporalio/contrib/pydantic": "the SDK: payloads converted",
    "temporalio/bridge/": "the SDK: payloads visited, activations and completions passed on",
    "temporalio/worker/_command_aware_visitor": "the SDK: payloads visited, activations and completions passed on",
    "temporalio/worker/workflow_sandbox/": "the SDK: its sandbox",
    "temporalio/worker/_workflow_instance": "the SDK: a workflow's instance",
    "temporalio/worker/_workflow": "the SDK: workflow tasks",
    "temporalio/worker/_activity": "the SDK: activities",
    "temporalio/": "the SDK: other",
    "workflows/": "our workflows",
    "workers/": "our worker around them",
    "activities/": "our interceptor around the activities",
    "tests/world/": "the bench's own activities",
    "asyncio/": "asyncio: its event loop",
}
"""By how a file's path begins, whose it is; the longer before the shorter."""
LOOP = PLACES["asyncio/"]
_FILE = re.compile(r"\(([^()]+):\d+\)")


def place(stack: str) -> str:
    """Return whose a stack is that py-spy wrote, the outermost frame first. The event loop has what nobody else has."""
    known = [name for file in _FILE.findall(stack) if (name := _whose(file))]
    return next((name for name in reversed(known) if name != LOOP), LOOP if known else "other")


def _whose(file: str) -> str | None:
    return next((name for begin, name in PLACES.items() if file.startswith(begin)), None)


def seen(lines: Iterable[str]) -> Counter[str]:
    """Return how many samples each place has, from what py-spy wrote: stacks with counts."""
    counted: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        counted[place(stack)] += int(count)
    return counted


async def seal(address: str) -> None:
    """Seal the sectors: what is looked at."""
    logging.disable(logging.WARNING)
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with staged(client) as stage:
        await many(lambda: ours(stage), SECTORS)


async def look(folder: Path) -> str:
    """Return what py-spy wrote of a process that seals on a server of its own. Raises ProgramMissingError."""
    program, raw = Path(sys.executable).with_name("py-spy"), folder / "stacks"
    if not program.exists():
        raise ProgramMissingError("py-spy is not installed; run: scripts/python.sh --group bench")
    async with DevServer(folder, ATTRIBUTE_TYPES, port=None, ui_port=None) as server:
        argv = [str(program), "record", "--gil", "--rate", str(RATE), "--format", "raw", "--output", str(raw), "--"]
        argv += [sys.executable, "-m", "bench.profile", server.address]
        sealing = await asyncio.create_subprocess_exec(*argv, stdout=sys.stderr)
        if await sealing.wait():
            raise SystemExit(sealing.returncode)
    return raw.read_text()


def main() -> None:
    """Look, and print the shares; with a server's address seal there, to be looked at."""
    if len(sys.argv) > 1:
        asyncio.run(seal(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
        counted = seen(asyncio.run(look(Path(name))).splitlines())
    each = 1000 / RATE / SECTORS
    sys.stdout.write(
        f"{SECTORS} sectors, {AT_ONCE} at once; {RATE} looks a second: "
        f"Python ran {counted.total() * each:.0f} ms a sector\n"
    )
    for of, count in counted.most_common():
        sys.stdout.write(f"{count * each:5.1f} ms {count / counted.total():4.0%}  {of}\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # the SDK's threads crash now and then while the interpreter ends
