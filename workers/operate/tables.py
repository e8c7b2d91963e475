"""Tables for people and JSON for programs: what the commands print of sectors and threads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from sealing.failures import bounded
from sealing.sector import Stay
from workers.operate.looking import ThreadView
from workers.watch import SectorView
from workflows.status import Status

WIDTH = 160
"""Columns where stdout is no terminal: a pipe cuts nothing off that grep should find."""
EXACT = 10
"""Seconds below which tenths matter."""
UNITS = (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))
REASON = 400
"""Characters of a reason in a table; --json has all of it."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn, markup=False)
    if not drawn.row_count:
        console.print("there is none")


def as_json(value: object) -> None:
    """Print a JSON value."""
    click.echo(json.dumps(value, indent=2, default=str))


def sector_row(view: SectorView, reason: str) -> dict[str, object]:
    """Return what a list says of a sector."""
    return {
        "sector": view.sector,
        "workflow": view.workflow_id,
        "state": view.state,
        "standing": view.standing,
        "level": view.level,
        "worker": view.worker,
        "seconds": round(view.seconds, 1),
        "ticket_expires": view.ticket_expires,
        "doing": reason or view.doing,
    }


def thread_row(view: ThreadView, work: SectorView | None) -> dict[str, object]:
    """Return what a list says of a thread, and of the work at its sector."""
    sector, waits = view.sector, work.waits if work else None
    return {
        "index": view.index,
        "location": view.location,
        "plan": view.plan,
        "workflow": view.workflow_id,
        "sector": str(sector.sector.id) if sector else None,
        "state": sector.state if sector else None,
        "standing": view.standing,
        "since": view.since,
        "doing": work.doing if work else view.doing,
        "waits": {"stage": waits.stage, "for": waits.what, "since": waits.since} if waits else None,
        "last_error": view.last_error,
        "can_resume_to": [*sector.resumable, "Abort"] if sector and sector.halted else [],
    }


def sectors_table(rows: Sequence[dict[str, object]]) -> None:
    """Print a list of sectors."""
    columns = ("SECTOR", "STATE", "STANDING", "LEVEL", "WORKER", "FOR", "TICKET", "DOING, OR WHY NOT")
    table(
        columns,
        [
            (
                *(str(row[name]) for name in ("sector", "state", "standing", "level", "worker")),
                span(float(str(row["seconds"]))),
                time_left(row["ticket_expires"]),
                bounded(str(row["doing"]), REASON),
            )
            for row in rows
        ],
    )


def threads_table(rows: Sequence[dict[str, object]]) -> None:
    """Print a worker's threads."""
    table(
        ("INDEX", "LOCATION", "PLAN", "SECTOR", "STATE", "STANDING", "FOR", "DOING, OR WHY IDLE", "LAST ERROR"),
        [
            (
                *(str(row[name]) for name in ("index", "location", "plan")),
                *(str(row[name] or "-") for name in ("sector", "state")),
                str(row["standing"]),
                since(row["since"]),
                bounded(str(row["doing"] or "-"), REASON),
                bounded(str(row["last_error"]), REASON),
            )
            for row in rows
        ],
    )


def status_table(status: Status, view: SectorView) -> None:
    """Print all that is known of one sector."""
    sector = status.sector
    rows = [
        ("sector", str(sector.id)),
        ("workflow", f"{view.workflow_id} (run {view.run_id})"),
        ("state", f"{status.state}, {status.standing}, for {since(status.since)}"),
        ("doing", view.doing),
        ("try", f"{status.tries} of {status.max_tries}"),
        ("failure", f"{status.failure.level}: {status.failure.text}" if status.failure else ""),
        ("outage", status.outage or ""),
        ("machine", f"{sector.home.worker} {sector.home.location}"),
        ("ticket", _ticket(status)),
        ("tickets expired", str(status.tickets_expired or "")),
        ("comm_r", sector.comm_r or ""),
        ("store", sector.persisted_in or ""),
        ("last command", _last_command(status)),
        ("can resume to", ", ".join([*status.resumable, "Abort"]) if status.halted else ""),
    ]
    table(("", ""), [row for row in rows if row[1]])


def _ticket(status: Status) -> str:
    if status.sector.ticket is None:
        return ""
    ends = status.ticket_expires
    clock = f", expires {ends:%Y-%m-%d %H:%M} UTC, {time_left(ends)}" if ends else ""
    return f"epoch {status.sector.ticket.epoch}{clock}"


def _last_command(status: Status) -> str:
    last = status.last_command
    return "" if last is None else last.command + (f", refused: {last.refused}" if last.refused else "")


def stays_table(stays: Iterable[Stay]) -> None:
    """Print the stays of a sector in its states."""
    table(
        ("ENTERED", "STATE", "FOR", "QUEUED", "RAN", "TRIES", "LEFT BY", "LAST FAILURE"),
        [
            (
                stay.entered.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
                stay.state,
                span(stay.seconds),
                span(stay.wait_seconds),
                span(stay.run_seconds),
                str(stay.tries),
                stay.left_by or "is there now",
                stay.failure,
            )
            for stay in stays
        ],
    )


def since(moment: object) -> str:
    """Return how long ago something was."""
    return span((datetime.now(UTC) - moment).total_seconds()) if isinstance(moment, datetime) else "-"


def time_left(moment: object) -> str:
    """Return how long it is until a moment, or that it has passed; nothing where there is none."""
    if not isinstance(moment, datetime):
        return "-"
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return f"{span(seconds)} left" if seconds > 0 else "expired"


def span(seconds: float) -> str:
    """Return seconds as people read them: 0.4 s, 42 s, 5 min 10 s, 3 h 7 min, 2 d 4 h."""
    whole = round(seconds)
    if whole < EXACT:
        return f"{max(0.0, seconds):.1f} s"
    for larger, large, smaller, small in UNITS:
        if whole >= large:
            return f"{whole // large} {larger} {whole % large // small} {smaller}"
    return f"{whole} s"
