"""A sector's current details: the Markdown table that the Web UI shows on its page."""

from __future__ import annotations

from sealing.failures import bounded
from workflows.commands import Answer
from workflows.status import Status


def render(status: Status) -> str:
    """Return the details of a sector as Markdown."""
    sector = status.sector
    rows = [
        ("sector", str(sector.id)),
        ("state", f"**{status.state}**, {status.standing}"),
        ("last failure", f"{status.failure.level}: {_cell(status.failure.text)}" if status.failure else ""),
        ("outage", _cell(status.outage or "")),
        ("last command", _last_command(status.last_command) if status.last_command else ""),
        ("can resume to", ", ".join([*status.resumable, "Abort"]) if status.halted else ""),
        ("since", status.since.isoformat(timespec="seconds")),
        ("try", f"{status.tries} of {status.max_tries}" + _next_try(status)),
        ("machine", f"{sector.home.worker} {sector.home.location}"),
        ("ticket", _ticket(status)),
        ("tickets expired", str(status.tickets_expired or "")),
        ("comm_r", f"`{sector.comm_r}`" if sector.comm_r else ""),
        ("store", _cell(sector.persisted_in or "")),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows if value)])


def _ticket(status: Status) -> str:
    """Return the ticket and when it expires: as a time of day, for the details stay as they are until the next step."""
    if status.sector.ticket is None:
        return ""
    ends = status.ticket_expires
    return f"epoch {status.sector.ticket.epoch}" + (f", expires {ends:%Y-%m-%d %H:%M} UTC" if ends else "")


def _last_command(last: Answer) -> str:
    became = f"refused: {_cell(last.refused)}" if last.refused else "carried out"
    return f"`{_cell(last.command)}` {became}"


def _next_try(status: Status) -> str:
    return f", again at {status.next_try.isoformat(timespec='seconds')}" if status.next_try else ""


def _cell(text: str) -> str:
    """Keep a text inside its table cell, and of others' words make no link and no picture that a browser fetches."""
    text = bounded(text, 600).replace("|", "\\|").replace("\n", " ").replace("`", "'")
    return text.replace("](", "] (").replace("<", "&lt;")
