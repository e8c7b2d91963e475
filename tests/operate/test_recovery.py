"""docs/recovery.md: its commands are ones that sealflow has. What they do is proved in tests/survival and beside."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.flow.table import Flow
from workers.cli import cli

PAGE = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text()
COMMANDS = re.findall(r"^ *\$ (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("typed", COMMANDS)
def test_a_command_of_the_page_is_one(typed: str) -> None:
    """It is parsed to its last word, and not carried out."""
    program, *words = shlex.split(typed)
    assert program == "sealflow"
    command: click.Command = cli
    while isinstance(command, click.Group):
        context = command.make_context(None, words)
        name, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None, name
        command = found
    command.make_context(None, words)


@pytest.mark.parametrize("flow", LATEST.values(), ids=LATEST)
def test_every_row_is_gone_through(flow: Flow) -> None:
    """No state of a flow lacks its reason why an old state file is safe."""
    rows = re.findall(r"^\| ([A-Z][\w, ]+) \|", PAGE, re.MULTILINE)
    named = {name.strip() for row in rows for name in row.split(",")}
    assert {state.value for state in flow.rows if state is not State.Empty} <= named
