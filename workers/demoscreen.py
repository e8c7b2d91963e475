"""What the demo shows: a live table on a terminal, a line at each change elsewhere, and the summary at the end."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sealing.sector import Stay
from workers.watch import SectorView


def say(line: str) -> None:
    """Print a line for people, at once."""
    click.echo(line)
    sys.stdout.flush()


class Screen:
    """The sectors as they go: a live table on a terminal, plain lines without one."""

    def __init__(self) -> None:
        """Find out what stdout is."""
        self._live = Live(refresh_per_second=4) if Console().is_terminal else None
        self._said: dict[str, str] = {}
        self._noted = ""

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last table standing."""
        if self._live:
            self._live.stop()

    def show(self, views: list[SectorView], note: str) -> None:
        """Show the sectors, and what goes on beside them."""
        if self._live:
            self._live.update(Group(_table(views), Text(note)) if note else _table(views))
            return
        for view in views:
            line = f"{view.title}: {view.state}" + (f", parked ({view.level})" if view.parked else "")
            if self._said.get(view.workflow_id) != line:
                self._said[view.workflow_id] = line
                say(f"{view.seconds:7.1f} s  {line}")
        # The progress of the parameters has a clock in it: a line a minute is enough.
        if note and note[:40] != self._noted:
            self._noted = note[:40]
            say(f"           {note}")


def _table(views: list[SectorView]) -> Table:
    table = Table(expand=True)
    for name, ratio in (("sector", 2), ("state", 3), ("for", 1), ("doing", 6)):
        table.add_column(name, ratio=ratio, no_wrap=name != "doing")
    for view in views:
        style = {"Finished": "green", "Aborted": "red"}.get(view.state, "red" if view.parked else "")
        table.add_row(view.title, Text(view.state, style), f"{view.seconds:.0f} s", view.doing)
    return table


def stay_lines(stays: tuple[Stay, ...]) -> list[str]:
    """Return where a sector's time went: a line for each state, longest names first aligned."""
    width = max(len(stay.state) for stay in stays)
    return [
        f"    {stay.state:<{width}}  {stay.seconds:8.2f} s"
        + (f"  of which computing {stay.run_seconds:.2f} s" if stay.run_seconds else "")
        + (f", queued {stay.wait_seconds:.2f} s" if stay.wait_seconds >= 0.01 else "")  # noqa: PLR2004 - what is shown
        for stay in stays
    ]
