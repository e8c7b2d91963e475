"""docs/operating.md: every command in it, typed as it stands there, does what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.cache import find_temporal
from tests.needs import need_tctl
from tests.world.plant import Plant, plant, working

pytestmark = pytest.mark.server

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
BLOCK = re.compile(r"<!-- a (\w+) sector: ([^>]*) -->\n```console\n(.*?)```", re.DOTALL)
FAILURES_TO_PARK = 3


@dataclass(frozen=True)
class Example:
    """Commands of the page, the sector that they are typed for, and what becomes of it."""

    sector: str
    effect: str
    commands: tuple[str, ...]


def examples(sector: str) -> list[Example]:
    """Return the page's examples for a sector that is parked, or that is running."""
    found = [
        Example(of, effect, tuple(line.removeprefix("$ ") for line in lines.splitlines()))
        for of, effect, lines in BLOCK.findall(PAGE.read_text())
    ]
    return [example for example in found if example.sector == sector]


def test_every_command_of_the_page_is_an_example() -> None:
    """No block of commands is without a word about its sector and its effect."""
    assert PAGE.read_text().count("```console") == len(examples("parked")) + len(examples("running"))
    assert len(examples("parked")) > 5


async def finishes(built: Plant, number: int) -> None:
    """Wait for the sector's end."""
    await built.finished(number)


async def stands_still(built: Plant, number: int) -> None:
    """See that the sector is paused."""
    assert (await built.parked(number)).failure is None


async def is_aborted(built: Plant, number: int) -> None:
    """See that the task ends as aborted."""
    with pytest.raises(WorkflowFailureError) as ended:
        await built.finished(number)
    assert isinstance(ended.value.cause, ApplicationError)
    assert ended.value.cause.type == "Aborted"


async def stays(built: Plant, number: int) -> None:
    """See that the task is under way as before."""
    assert (await built.status(number)).state in {"PC1Done", "TicketAssigned"}


EFFECTS: dict[str, Callable[[Plant, int], Awaitable[None]]] = {
    "it finishes": finishes,
    "it stands still": stands_still,
    "it is aborted": is_aborted,
    "nothing changes": stays,
}


async def typed(built: Plant, number: int, command: str, tools: Path) -> None:
    """Type a command in a shell, for one sector of the plant. It must end well."""
    home = (await built.status(number)).sector.home.location
    index = [str(thread.location) for thread in built.config.sealing_thread].index(home)
    here = (
        command.replace("t01000-1", f"t0{built.miner}-{number}")
        .replace("worker.toml", str(built.file))
        .replace("/mnt/", f"{built.folder}/mnt/")
        .replace("--index 0", f"--index {index}")
    )
    address = built.client.service_client.config.target_host
    env = {
        **os.environ,
        "PATH": f"{tools}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_CLI_ADDRESS": address,
    }
    shell = await asyncio.create_subprocess_shell(
        here, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=env
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0, f"{here}\n{out.decode()}"


def tools_in(folder: Path) -> Path:
    """Return a folder with the commands of Temporal under their names."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "tctl").symlink_to(need_tctl())
    (tools / "temporal").symlink_to(find_temporal())
    return tools


def runs_pc1(built: Plant, number: int) -> bool:
    """Tell whether a sector has come to PC1."""
    return "TicketAssigned" in built.reported(number)


async def found(built: Plant, count: int, query: str) -> None:
    """Wait until visibility shows what the examples search for."""
    whole = f"SealWorker = '{built.config.worker.name}' AND {query}"

    async def shown() -> bool:
        return len([one async for one in built.client.list_workflows(whole)]) == count

    await built.until(shown, f"{count} sectors to be found by {query}")


@pytest.mark.timeout(300)
async def test_the_examples_for_parked_sectors(temporal: Client, tmp_path: Path) -> None:
    """Each is typed for a parked sector of its own, and does what the page says."""
    shown, tools = examples("parked"), tools_in(tmp_path)
    async with plant(temporal, tmp_path, sectors=len(shown), threads=len(shown)) as built:
        built.simulate(pc2={"fail": "no space left", "times": FAILURES_TO_PARK * len(shown)})
        async with working(built):
            for number in range(1, len(shown) + 1):
                await built.parked(number)
            await found(built, len(shown), "Parked = true")
            for number, example in enumerate(shown, 1):
                for command in example.commands:
                    await typed(built, number, command, tools)
                await EFFECTS[example.effect](built, number)


@pytest.mark.timeout(300)
async def test_the_examples_for_running_sectors(temporal: Client, tmp_path: Path) -> None:
    """Each is typed while PC1 of its sector runs, and does what the page says."""
    shown, tools = examples("running"), tools_in(tmp_path)
    async with plant(temporal, tmp_path, sectors=len(shown), threads=len(shown)) as built:
        built.simulate(pc1={"seconds": 300})
        async with working(built):
            for number in range(1, len(shown) + 1):
                await built.until(partial(runs_pc1, built, number), f"PC1 of {number} to run")
            await found(built, len(shown), "SealState = 'TicketAssigned'")
            for number, example in enumerate(shown, 1):
                for command in example.commands:
                    await typed(built, number, command, tools)
                await EFFECTS[example.effect](built, number)
