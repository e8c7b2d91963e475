"""``sealflow worker -c FILE list|pause|resume|abort|drain|undrain``: this machine's threads, by their index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from temporalio.client import Client
from temporalio.service import RPCError

from sealing.config import as_it_is
from sealing.sector import thread_id
from workers.operate import looking, orders, running, tables
from workers.operate.looking import ThreadView
from workers.operate.orders import OrderError
from workflows.commands import ABORT_WORDS, Answer, Kind

SECTOR = click.option("--sector", default="", help="Only if this is its sector: it may have taken the next by now.")
INDEX = click.option("--index", type=click.IntRange(min=0), required=True, help="The thread's index, as in list.")


def add_to(worker: click.Group) -> None:
    """Add the commands to the group, whose object is the path of the worker's file."""
    for command in (list_command, pause_command, resume_command, abort_command, drain_command, undrain_command):
        worker.add_command(command)


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(file: Path, *, as_json: bool) -> None:
    """List the sealing threads, with the sector that each is at."""
    config = as_it_is(running.read_config(file))

    async def work(client: Client) -> list[dict[str, object]]:
        views = await looking.threads(client, config)
        return [tables.thread_row(*each) for each in zip(views, await looking.at_work(client, views), strict=True)]

    rows = running.run(lambda: config.temporal, work)
    tables.as_json(rows) if as_json else tables.threads_table(rows)


@click.command("pause")
@INDEX
@SECTOR
@click.option("--now", is_flag=True, help="Stop the running computation as well.")
@click.pass_obj
def pause_command(file: Path, index: int, sector: str, *, now: bool) -> None:
    """Let a thread's sector stand still; a thread without one asks for none."""
    _give(file, index, Kind.pause, sector=sector, now=now)


@click.command("resume")
@INDEX
@SECTOR
@click.option("--state", help="The state to go to first; Abort ends the task.")
@click.option("--force", is_flag=True, help="Although a pre-commit was sent; the manager is asked first.")
@click.pass_obj
def resume_command(file: Path, index: int, sector: str, state: str | None, *, force: bool) -> None:
    """Set a thread's sector going that stands still; a paused thread asks again."""
    _give(file, index, Kind.resume, sector=sector, state=state, force=force)


@click.command("abort")
@INDEX
@SECTOR
@click.option("--reason", default="", help="Said to the manager.")
@click.option("--force", is_flag=True, help="Do not wait for the machine.")
@click.pass_obj
def abort_command(file: Path, index: int, sector: str, reason: str, *, force: bool) -> None:
    """End the task of a thread's sector."""
    _give(file, index, Kind.abort, sector=sector, reason=reason, force=force)


@click.command("drain")
@click.pass_obj
def drain_command(file: Path) -> None:
    """Let this machine finish its sectors and take no new ones, until undrain, also across restarts."""
    _signal_all(file, "drain", "takes no new sectors")


@click.command("undrain")
@click.pass_obj
def undrain_command(file: Path) -> None:
    """Let this machine take sectors again."""
    _signal_all(file, "undrain", "takes sectors again")


def _give(file: Path, index: int, kind: Kind, **parts: Any) -> None:  # noqa: ANN401 - any part of an order
    config = running.read_config(file)
    if index >= (count := len(config.sealing_thread)):
        running.fail(f"there is no thread {index}: {file} has {count}, the first is 0")

    async def work(client: Client) -> tuple[ThreadView, Answer]:
        view = await looking.thread(client, config, index)
        if view.thread is None:
            raise OrderError(view.problem)
        if view.thread.sector is None:
            _refuse_without(kind, parts.get("state"))
        return view, await orders.give(client, view.thread.sector or view.workflow_id, orders.order(kind, **parts))

    view, answer = running.run(lambda: config.temporal, work)
    whom = str(view.sector.sector.id) if view.sector else f"thread {index}"
    click.echo(f"{whom}: {answer.command}" + (f"; now {answer.state}" if answer.state else ""))


def _refuse_without(kind: Kind, state: str | None) -> None:
    """Refuse what needs a sector where the thread has none: in the next moment it may have one that is not meant."""
    if kind is Kind.abort or state in ABORT_WORDS:
        raise OrderError("the thread has no sector to abort")
    if state:
        raise OrderError(f"the thread has no sector that could go to {state}")


def _signal_all(file: Path, name: str, effect: str) -> None:
    config = running.read_config(file)

    async def work(client: Client) -> None:
        for thread in config.sealing_thread:
            workflow_id = thread_id(config.worker.name, thread.location)
            try:
                await client.get_workflow_handle(workflow_id).signal(name)
            except RPCError as error:
                raise OrderError(orders.explain(workflow_id, error)) from error

    running.run(lambda: config.temporal, work)
    click.echo(f"worker {config.worker.name} {effect} ({len(config.sealing_thread)} threads)")
