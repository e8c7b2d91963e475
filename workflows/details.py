"""A sector's current details: the Markdown table that the Web UI shows on its page."""

from __future__ import annotations

from sealing.failures import bounded
from workflows.status import Status


def render(status: Status) -> str:
    """Return the details of a sector as Markdown."""
    sector = status.sector
    rows = [
        ("sector", str(sector.id)),
        ("state", f"**{status.state}**, {status.standing}"),
        ("since", status.since.isoformat(timespec="seconds")),
        ("try", f"{status.tries} of {status.max_tries}" + _next_try(status)),
        ("machine", f"{sector.home.worker} {sector.home.location}"),
    ]
    if status.failure:
        rows.append(("last failure", f"{status.failure.level}: {_cell(status.failure.text)}"))
    if status.outage:
        rows.append(("outage", _cell(status.outage)))
    if sector.ticket:
        rows.append(("ticket", f"epoch {sector.ticket.epoch}"))
    if sector.comm_r:
        rows.append(("comm_r", f"`{sector.comm_r}`"))
    if sector.persisted_in:
        rows.append(("store", sector.persisted_in))
    if status.last_command:
        refused = f" refused: {_cell(status.last_command.refused)}" if status.last_command.refused else " carried out"
        rows.append(("last command", f"`{_cell(status.last_command.command)}`{refused}"))
    if status.halted:
        rows.append(("can resume to", ", ".join([*status.resumable, "Abort"])))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _next_try(status: Status) -> str:
    return f", again at {status.next_try.isoformat(timespec='seconds')}" if status.next_try else ""


def _cell(text: str) -> str:
    """Keep a text inside its table cell."""
    return bounded(text, 600).replace("|", "\\|").replace("\n", " ").replace("`", "'")
