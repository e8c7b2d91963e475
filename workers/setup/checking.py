"""``sealflow config check FILE``: what a worker would understand, what it ignores, and all that is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sealing.config import Reading

PREFIX = "  "
PROCESSOR = (
    *("stage", "program", "protocol", "at_once", "staggered", "time_limit"),
    *("concurrent", "locks", "cpuset", "numa_preferred"),
)


@click.group()
def config() -> None:
    """Look at a worker's configuration without starting anything."""


@config.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="A key that nobody knows is an error.")
@click.option("--json", "as_json", is_flag=True, help="Print {file, understood, ignored, errors}.")
def check_command(file: Path, *, strict: bool, as_json: bool) -> None:
    """Print what a worker understands of FILE, what it ignores and why, and every error with its line.

    Exit status 1 if anything is wrong.
    """
    from sealing.config import read  # noqa: PLC0415 - slow to import
    from sealing.config.shown import understood  # noqa: PLC0415

    reading = read(file, strict=strict)
    values = understood(reading.config) if reading.config else None
    if as_json:
        click.echo(json.dumps(_as_values(file, reading, values), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_as_text(file, reading, values)))
    sys.exit(bool(reading.problems))


def _as_values(file: Path, reading: Reading, values: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "file": str(file),
        "understood": values,
        "ignored": [{"line": note.line, "key": note.key, "why": note.why} for note in reading.notes],
        "errors": [
            {"line": problem.line, "key": problem.key, "value": problem.value, "remedy": problem.right}
            for problem in reading.problems
        ],
    }


def _as_text(file: Path, reading: Reading, values: dict[str, Any] | None) -> Iterable[str]:
    if values:
        yield from _sections(values)
    if reading.notes:
        yield from _section("ignored, or to be looked at", map(str, reading.notes))
    if reading.problems:
        yield from _section(f"wrong ({len(reading.problems)})", map(str, reading.problems))
    yield f"{file}: {_verdict(reading)}"


def _verdict(reading: Reading) -> str:
    if not reading.problems:
        return "a worker starts with it"
    count = len(reading.problems)
    return f"{count} error{'s' if count > 1 else ''}; a worker does not start with it"


def _sections(values: dict[str, Any]) -> Iterable[str]:
    """Yield the lines of each section that holds something."""
    for name in ("worker", "queues"):
        yield from _section(name, _pairs(values[name]))
    yield from _section("threads", _threads(values["threads"]))
    yield from _section("stores", _table(values["stores"], ("name", "location", "readonly")))
    yield from _section("processors", _table(values["processors"], PROCESSOR))
    for name in ("store_selection", "shared_locks", "static_tree_d", "policy", "temporal", "metrics"):
        yield from _section(name.replace("_", " "), _pairs(values[name]))


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    body = [f"{PREFIX}{line}".rstrip() for line in lines]
    if body:
        yield from (click.style(title, bold=True), *body, "")


def _threads(threads: list[dict[str, Any]]) -> Iterable[str]:
    """Yield the threads, and below them each set of settings once with the threads that have it."""
    yield from _table(threads, ("index", "location", "plan", "config.toml"))
    groups: dict[str, list[dict[str, Any]]] = {}
    for thread in threads:
        groups.setdefault(json.dumps(thread["settings"]), []).append(thread)
    for group in groups.values():
        one = len(groups) == 1
        yield ""
        yield "settings" if one else f"settings of {', '.join(str(thread['index']) for thread in group)}"
        yield from (PREFIX + pair for pair in _pairs(group[0]["settings"]))


def _pairs(values: dict[str, Any]) -> Iterable[str]:
    width = max(map(len, values), default=0)
    return [f"{name:<{width}}  {_said(value)}" for name, value in values.items()]


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterable[str]:
    """Yield rows under their columns, without the columns in which no row says anything."""
    if not rows:
        return
    said = [[_said(row[column]) for row in rows] for column in columns]
    filled = [(column, cells) for column, cells in zip(columns, said, strict=True) if set(cells) != {"-"}]
    widths = [max(map(len, (column, *cells))) for column, cells in filled]
    for index in range(-1, len(rows)):
        cells = [column.replace("_", " ") if index < 0 else cells[index] for column, cells in filled]
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _said(value: object) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
