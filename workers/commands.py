"""Commands that run until they are stopped, and the flows' tables. What only one needs is imported there."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from workers.operate import market, threads
from workers.operate.faults import fault
from workers.operate.running import FAILED, fail


@click.command()
@click.argument("name", type=click.Choice(["sealer", "snapup"]))
@click.option("--format", "form", type=click.Choice(["json", "mermaid"]), default="json", show_default=True)
def flow(name: str, form: str) -> None:
    """Print a flow's table."""
    from sealing.flow.registry import LATEST  # noqa: PLC0415
    from sealing.flow.render import as_json, as_mermaid  # noqa: PLC0415

    table = LATEST[name]
    click.echo(json.dumps(as_json(table), indent=2) if form == "json" else as_mermaid(table), nl=form == "json")


@click.group()
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), required=True, help="The worker's TOML file.")
@click.pass_context
def worker(context: click.Context, file: Path) -> None:
    """Run this machine's worker, and command its threads."""
    context.obj = file


@worker.command("run")
@click.option("--wait", default=30.0, show_default=True, help="Seconds that Temporal may be away at the start.")
@click.option("--strict", is_flag=True, help="Refuse a file with a key that nobody knows.")
@click.pass_obj
def run_worker_command(file: Path, wait: float, *, strict: bool) -> None:
    """Serve the fleet's queue and this machine's, until SIGTERM; running computations go on without it."""
    from sealing.cache import ProgramMissingError  # noqa: PLC0415
    from sealing.config import ConfigError, load  # noqa: PLC0415
    from workers.assembly import run_worker  # noqa: PLC0415
    from workers.connection import StartError  # noqa: PLC0415
    from workers.observability import start_logging  # noqa: PLC0415

    start_logging()
    try:
        settings = load(file, strict=strict)
        for warning in settings.warnings:
            click.echo(f"warning: {warning}", err=True)
        until_stopped(lambda stop: run_worker(settings, stop, wait))
    except (ConfigError, StartError, ProgramMissingError) as error:
        fail(str(error))


threads.add_to(worker)


@click.group()
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), required=True, help="Its JSON file.")
@click.pass_context
def devnet(context: click.Context, file: Path) -> None:
    """Run the embedded manager and chain; look at its books, make deals, order faults."""
    context.obj = file


@devnet.command("run")
@click.pass_obj
def run_devnet_command(file: Path) -> None:
    """Serve the manager's JSON-RPC until SIGTERM."""
    from sealing.cache import ProgramMissingError  # noqa: PLC0415
    from workers.embedded import EmbeddedError, read_config, run_embedded  # noqa: PLC0415
    from workers.observability import start_logging  # noqa: PLC0415

    start_logging()
    try:
        config = read_config(file)
        until_stopped(lambda stop: run_embedded(config, stop))
    except (EmbeddedError, ProgramMissingError) as error:
        fail(str(error))


market.add_to(devnet)
devnet.add_command(fault)


@click.command()
@click.option("--sectors", default=2, show_default=True, type=click.IntRange(1, 100), help="How many sectors to seal.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("demo-data"), show_default=True)
@click.option("--keep", is_flag=True, help="Stay up when the sectors are finished.")
@click.option("--synthetic", is_flag=True, help="Seal with synthetic PoRep (proof type 10).")
@click.option("--processor", default=None, help="Another program for the stages; 'simulated' computes nothing.")
@click.option("--file", type=click.Path(path_type=Path), help="What a sector is upgraded with; at most 2032 bytes.")
def demo(  # noqa: PLR0913 - the command line's own options
    sectors: int, data: Path, *, keep: bool, synthetic: bool, processor: str | None, file: Path | None
) -> None:
    """Seal real 2 KiB sectors on this machine, upgrade one with a file, and read it back."""
    from sealing.cache import ProgramMissingError  # noqa: PLC0415
    from workers.demo import Demo, DemoError  # noqa: PLC0415
    from workers.demofiles import DemoFiles  # noqa: PLC0415
    from workers.demoupgrade import OWN_FILE  # noqa: PLC0415
    from workers.observability import start_logging  # noqa: PLC0415

    start_logging(quiet=True)
    try:
        files = DemoFiles(data.absolute())
        run = Demo(files, sectors, keep, synthetic, processor, file or OWN_FILE).run
        done = until_stopped(run)
    except (DemoError, ProgramMissingError) as error:
        fail(str(error))
    sys.exit(0 if done else FAILED)


def until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401
    """Run ``main`` with an event that SIGTERM and SIGINT set, and return what it returns."""

    async def run() -> Any:  # noqa: ANN401
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await main(stop)

    return asyncio.run(run())
