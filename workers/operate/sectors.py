"""``sealflow sector``: look at sectors wherever they run, and command one or many."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from temporalio.client import Client

from sealing.config import Temporal
from sealing.sector import Stay
from workers.connection import ensure_attributes
from workers.operate import adopting, orders, running, tables
from workers.operate.adopting import Adoption
from workers.operate.looking import ask, find, find_many, reasons, stays_of
from workers.operate.orders import OrderError
from workers.watch import SectorView
from workflows.commands import Kind
from workflows.status import Status

Where = Callable[[], Temporal]
Decorated = Callable[..., Any]


@click.group()
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="A worker's TOML file, for [temporal].")
@click.option("--address", help="Temporal's host:port.  [env: TEMPORAL_ADDRESS; default: 127.0.0.1:7233]")
@click.option("--namespace", help="Temporal's namespace.  [env: TEMPORAL_NAMESPACE; default: default]")
@click.pass_context
def sector(context: click.Context, file: Path | None, address: str | None, namespace: str | None) -> None:
    """Look at sectors, on whatever machine, and command them.

    A sector is named by its id (s-t01000-5, or 1000-5) or by its workflow's id. Where the fleet encrypts, its keys are
    those of -c, or of the file that SEALFLOW_PAYLOAD_KEY_FILE names.
    """
    context.obj = lambda: running.where_temporal_is(file, address, namespace)


def _many(command: Decorated) -> Decorated:
    """Add the arguments of a command that goes to one sector or to many."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--where", help="A visibility query, such as \"SealState = 'PC1Done'\", in place of ids."),
        click.option("--reason", default="", help="Said to those who look at the sector later."),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        command = option(command)
    return click.pass_obj(command)


@sector.command("list")
@click.option("--where", default="", help="A visibility query, such as 'Parked = true'.")
@click.option("--all", "closed", is_flag=True, help="Also those that have ended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(temporal: Where, where: str, *, closed: bool, as_json: bool) -> None:
    """List the sectors that are under way, how long their tickets are good, and why those that stand still do."""

    async def work(client: Client) -> list[dict[str, object]]:
        views = await find_many(client, where, running=not closed)
        why = await reasons(client, views)
        return [tables.sector_row(view, reason) for view, reason in zip(views, why, strict=True)]

    rows = running.run(temporal, work)
    tables.as_json(rows) if as_json else tables.sectors_table(rows)


@sector.command("show")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_command(temporal: Where, name: str, *, as_json: bool) -> None:
    """Show all that is known of a sector, and what it can be resumed to."""

    async def work(client: Client) -> tuple[SectorView, Status]:
        view = await find(client, name)
        return view, await ask(client, view.workflow_id, "status", Status)

    view, status = running.run(temporal, work)
    if as_json:
        shown = {**status.model_dump(mode="json"), "workflow": view.workflow_id, "run": view.run_id}
        tables.as_json({**shown, "standing": status.standing, "doing": view.doing})
    else:
        tables.status_table(status, view)


@sector.command("history")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def history_command(temporal: Where, name: str, *, as_json: bool) -> None:
    """Show a sector's stays in its states: when, how long, of which queued and run, tries, and what ended them."""

    async def work(client: Client) -> list[Stay]:
        known = await stays_of(client, await find(client, name))
        return [*known.stays, *([known.stay_at(datetime.now(UTC))] if isinstance(known, Status) else [])]

    stays = running.run(temporal, work)
    if as_json:
        tables.as_json([stay.model_dump(mode="json") for stay in stays])
    else:
        tables.stays_table(stays)


@sector.command("pause")
@_many
@click.option("--now", is_flag=True, help="Stop the running computation as well; it starts again at the resume.")
def pause_command(temporal: Where, now: bool, **given: Any) -> None:  # noqa: FBT001, ANN401 - click gives them by name
    """Let sectors stand still. A running computation goes on, and its result is there at the resume."""
    _give(temporal, Kind.pause, {"now": now}, **given)


@sector.command("resume")
@_many
@click.option("--state", help="The state to go to first; Abort ends the task.")
@click.option("--force", is_flag=True, help="Although a pre-commit was sent; the manager is asked first.")
def resume_command(temporal: Where, state: str | None, force: bool, **given: Any) -> None:  # noqa: FBT001, ANN401
    """Set sectors going that stand still, from their state or from an earlier one."""
    _give(temporal, Kind.resume, {"state": state, "force": force}, **given)


@sector.command("abort")
@_many
@click.option("--force", is_flag=True, help="Do not wait for the sector's machine; its files go when it is back.")
def abort_command(temporal: Where, force: bool, **given: Any) -> None:  # noqa: FBT001, ANN401
    """End tasks, remove their files and tell the manager."""
    _give(temporal, Kind.abort, {"force": force}, **given)


@sector.command("adopt")
@click.argument("locations", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="LOCATION...")
@click.option("--replace", is_flag=True, help="Stop a run that is behind its state file, as after an old backup.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def adopt_command(
    context: click.Context,
    locations: tuple[Path, ...],
    replace: bool,  # noqa: FBT001 - click gives them by name
    yes: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Start tasks again that Temporal has lost, from the state files in their threads' locations, on their machine.

    docs/recovery.md says when. The worker's file, -c, names the manager, who is asked whether the sector is under way.
    """
    file: Path | None = context.parent.params["file"] if context.parent else None
    if file is None:
        raise click.UsageError("name the file of this machine's worker: sealflow sector -c FILE adopt LOCATION")
    config = running.read_config(file)

    async def look(client: Client) -> list[tuple[Path, Adoption | OrderError]]:
        return [(each, await adopting.look_at(client, config, each, replace=replace)) for each in locations]

    async def work(client: Client) -> list[dict[str, object]]:
        await ensure_attributes(client)  # a new database has none before its first worker
        return [await adopting.carry_out(client, config, *each) for each in found]

    found = running.run(lambda: config.temporal, look)
    there = [adoption for _, adoption in found if isinstance(adoption, Adoption)]
    if there and not yes:
        for adoption in there:
            click.echo(str(adoption), err=True)
        click.confirm(f"start {'them' if len(there) > 1 else 'it'} again?", abort=True, err=True)
    _tell(running.run(lambda: config.temporal, work), as_json=as_json)


def _give(  # noqa: PLR0913, PLR0917 - the command line's own options
    temporal: Where,
    kind: Kind,
    parts: dict[str, object],
    ids: tuple[str, ...],
    where: str | None,
    reason: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Give a command to those that are named or found, and tell what became of each. Status 1 if any refused."""
    if bool(ids) == bool(where):
        raise click.UsageError("name sectors by their ids, or find them by --where")

    async def chosen(client: Client) -> list[SectorView]:
        return await find_many(client, where, running=True) if where else [await find(client, name) for name in ids]

    async def forfeits(client: Client) -> list[str]:
        statuses = [await ask(client, view.workflow_id, "status", Status) for view in views]
        return [str(status.sector.id) for status in statuses if status.sector.precommit_landed is not None]

    async def work(client: Client) -> list[dict[str, object]]:
        sectors = {view.workflow_id: view.sector for view in views}
        return [
            {"sector": sectors[each], "workflow": each, "answer": came.command, "state": came.state, "refused": None}
            if not isinstance(came, OrderError)
            else {"sector": sectors[each], "workflow": each, "answer": None, "state": None, "refused": str(came)}
            async for each, came in orders.give_all(client, list(sectors), orders.order(kind, **parts, reason=reason))
        ]

    views = running.run(temporal, chosen)
    lost = running.run(temporal, forfeits) if kind is Kind.abort and not yes else []
    _ask_first(kind, len(views), lost, many=bool(where), yes=yes)
    _tell(running.run(temporal, work), as_json=as_json)


def _ask_first(kind: Kind, count: int, lost: list[str], *, many: bool, yes: bool) -> None:
    """Say how many sectors, and what an abort costs, and ask whether to go on."""
    if many:
        click.echo(f"{count} sector{'' if count == 1 else 's'} found", err=True)
    if lost:
        click.echo(f"the pre-commit has landed: an abort forfeits the deposit of {', '.join(lost)}", err=True)
    if count and not yes and (many or lost):
        click.confirm(f"{kind} {'them' if count > 1 else 'it'}?", abort=True, err=True)


def _tell(done: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        tables.as_json(done)
    for one in done:
        if one["refused"]:
            click.echo(f"sealflow: {one['sector']}: {one['refused']}", err=True)
        elif not as_json:
            click.echo(f"{one['sector']}: {one['answer']}; now {one['state']}")
    if any(one["refused"] for one in done):
        sys.exit(running.FAILED)
