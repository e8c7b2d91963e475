"""The command ``sealflow``: a table of its commands, each of which is imported when it is typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "codec": (
        "workers.encryption.command",
        "Make keys that encrypt payloads, and show encrypted ones to Temporal's clients.",
    ),
    "config": ("workers.setup.checking", "Look at a worker's configuration without starting anything."),
    "demo": (
        "workers.commands",
        "Seal real 2 KiB sectors on this machine, upgrade one with a file, and read it back.",
    ),
    "devnet": (
        "workers.commands",
        "Run the embedded manager and chain; look at its books, make deals, order faults.",
    ),
    "doctor": ("workers.doctor.command", "Check whether this machine can seal: what is wrong, and what to type."),
    "flow": ("workers.commands", "Print a flow's table."),
    "sector": ("workers.operate.sectors", "Look at sectors, on whatever machine, and command them."),
    "store": ("workers.setup.preparing", "Prepare the folders of a worker."),
    "worker": ("workers.commands", "Run this machine's worker, and command its threads."),
}
"""Each command's module, which has it under its name, and what it does. All imported would take a second."""


class Commands(click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import one."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write what each does, and import none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sealflow")
def cli() -> None:
    """Durable Filecoin sealing: a storage provider's task flows as Temporal workflows."""


def main() -> None:
    """Run the command, and leave without the interpreter's end, in which the SDK's threads crash now and then."""
    status: int | str | None = 0
    try:
        cli(prog_name="sealflow")
    except SystemExit as end:
        status = end.code
    if isinstance(status, str):
        click.echo(status, err=True)
        status = 1  # as the interpreter ends for a text
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)
