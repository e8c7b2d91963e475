"""The command line's table: right about each command, and quick to show."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from workers.cli import COMMANDS, cli

HEAVY = {"temporalio", "pydantic", "httpx", "prometheus_client", "opentelemetry", "starlette"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_is_right(name: str) -> None:
    """A command has the name that it is found by, and says of itself what the table says."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(1000) == COMMANDS[name][1]


def test_help_imports_no_command() -> None:
    """What takes a second to import is not imported to list the commands."""
    show = "import sys; from workers.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    shown, modules = ran.stdout.rpartition("\n")[0].rpartition("\n")[::2]
    assert "Make keys" in shown
    assert {each.partition(".")[0] for each in modules.split()} & HEAVY == set()


def test_a_command_that_there_is_not() -> None:
    """It is refused as wrong usage, and the others still work."""
    with pytest.raises(click.UsageError, match="No such command 'nothing'"):
        cli(["nothing"], standalone_mode=False)
