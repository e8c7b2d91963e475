"""Every measurement in one run on one machine, written into docs/performance.md as each ends: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from bench.machine import commit, described
from bench.page import PAGE, names, put

MACHINE = "machine"
"""What has a place on the page besides the benches: what they ran on."""
FENCE = "```"
SHOWN = 20
"""Lines that are shown of what a bench said that failed."""


class BenchError(Exception):
    """A measurement failed; the text has the end of what it said."""


def run(name: str) -> str:
    """Run a bench and return what it printed. What it says of its progress is passed on. Raises BenchError."""
    with subprocess.Popen([sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, text=True) as ran:  # noqa: S603
        said, _ = ran.communicate()
    if ran.returncode:
        shown = "\n".join(said.splitlines()[-SHOWN:])
        raise BenchError(f"bench.{name} ended with {ran.returncode}; its place on the page is as it was\n{shown}")
    return said


def figures(said: str, on: str, seconds: float) -> str:
    """Return what a bench printed as Markdown, with when that was, of what, and how long it took."""
    took = f"{seconds / 60:.0f} min" if seconds > 60 else f"{seconds:.0f} s"  # noqa: PLR2004 - a minute
    return f"{FENCE}text\n{said.strip()}\n{FENCE}\n\nMeasured {datetime.now(UTC):%Y-%m-%d} at `{on}`, in {took}."


def keep(name: str, text: str) -> None:
    """Put figures in their place on the page. Raises NoPlaceError."""
    PAGE.write_text(put(PAGE.read_text(), name, text))


@click.command()
@click.option("--only", "chosen", multiple=True, help="Measure only this, such as engine; repeatable.")
def main(chosen: Sequence[str]) -> None:
    """Measure, and write docs/performance.md."""
    there = [name for name in names(PAGE.read_text()) if name != MACHINE]
    if unknown := set(chosen) - set(there):
        raise click.UsageError(f"{PAGE.name} has no place for {', '.join(sorted(unknown))}; it has {', '.join(there)}")
    failed, on = False, commit()
    keep(MACHINE, described())
    for name in chosen or there:
        began = time.perf_counter()
        click.echo(f"bench: {name}", err=True)
        try:
            said = run(name)
        except BenchError as error:
            failed = True
            click.echo(f"bench: {error}", err=True)
        else:
            click.echo(said)
            keep(name, figures(said, on, time.perf_counter() - began))
    sys.exit(failed)


if __name__ == "__main__":
    main(prog_name="python -m bench")
