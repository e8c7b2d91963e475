"""The command: everything up until Ctrl-C, and where it is, as JSON on stdout. What people read goes to stderr."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import click

from deploy.stack.machine import Work
from deploy.stack.ports import Ports, PortsTakenError
from deploy.stack.stack import Stack
from sealing.cache import ProgramMissingError
from workers.children import ChildError
from workers.commands import until_stopped

FOLDER = Path(__file__).parents[2] / ".stack"
LOOK_EVERY = 0.5
"""Seconds between two looks at whether all still run."""
NAMES = [each.name for each in fields(Ports)]


class PortOption(click.ParamType[tuple[str, int]]):
    """``name=number``."""

    name = "name=number"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the name and the number."""
        name, _, number = value.partition("=")
        # The server keeps the ports of its services in its database, in two bytes with a sign.
        if name not in NAMES or not number.isdecimal() or not 0 < int(number) < 1 << 15:
            names = ", ".join(NAMES)
            self.fail(f"{value}: it must be NAME=NUMBER, with a number below 32768 and a name of {names}", param, ctx)
        return name, int(number)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="All data.")
@click.option("--port", "ports", type=PortOption(), multiple=True, help=f"Another port for one of {', '.join(NAMES)}.")
@click.option("--sectors", default=Work.sectors, show_default=True, type=click.IntRange(0), help="Handed out in all.")
@click.option("--processor", default=None, help="Another program for the stages; 'simulated' computes nothing.")
def stack(folder: Path, ports: tuple[tuple[str, int], ...], sectors: int, processor: str | None) -> None:
    """Run a production Temporal server with PostgreSQL, Prometheus, the Web UI, an embedded manager and a worker."""
    try:
        wanted = Stack(folder, replace(Ports(), **dict(ports)), Work(sectors, processor))
        until_stopped(lambda stop: _run(wanted, stop))
    except (ChildError, PortsTakenError, ProgramMissingError) as error:
        click.echo(f"stack: {error}", err=True)
        sys.exit(1)


async def _run(wanted: Stack, stop: asyncio.Event) -> None:
    """Run until ``stop``, which also ends a start that is under way. Raises what the stack raises."""
    serving = asyncio.create_task(_serve(wanted))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def _serve(wanted: Stack) -> None:
    click.echo(f"stack: starting, with data and logs in {wanted.folder}", err=True)
    async with wanted:
        click.echo(json.dumps(wanted.addresses))
        sys.stdout.flush()
        click.echo(
            "stack: up; Ctrl-C ends all but a stage that computes, and the same command goes on where it was", err=True
        )
        while True:
            wanted.check()
            await asyncio.sleep(LOOK_EVERY)


def main() -> None:
    """Run the command, and leave without the interpreter's end, in which the SDK's threads crash now and then."""
    status: int | str | None = 0
    try:
        stack(prog_name="stack")
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1 if status else 0)
