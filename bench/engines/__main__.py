"""``python -m bench.engines``: chains of steps a second, each step durable before the next, ours beside other engines.

Run by ``make bench-engines``. Everybody makes as many steps as one of our sectors has steps and reports, each with as
long a result. Ours has its quick calls as local activities, which are durable with the workflow task that ran them and
not one by one: how many is printed. Ours and DBOS are on one PostgreSQL, whose commits are synced; Restate's server and
SQLite sync on the same disk. Each contestant has one process, which begins the chains and runs them; it is started anew
for each round. The servers of the others run on meanwhile and have nothing to do: what that costs is printed.

One of them is no contestant but a bound: Temporal with as many activities as ours has, and nothing else.

Prefect is not among them: its package brings a hundred others and a server of its own, and one engine with a server
beside ours is there. Restate's comes from npm, by scripts/restate.sh.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click

from bench.engines.contestants import CONTESTANTS, OURS, Contestant
from bench.engines.measure import Plan, Round, measured, ours_taken
from bench.engines.process import ContenderError
from bench.engines.report import told
from bench.engines.servers import Servers, servers
from sealing.cache import ProgramMissingError
from workers.children import ChildError

IDLE = 10.0
"""Seconds for which servers are watched that have nothing to do."""
NAMES = [each.name for each in CONTESTANTS]


@click.command()
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="Each has everybody once, in turns."
)
@click.option("--single", default=Plan.single, show_default=True, type=click.IntRange(1), help="Chains one at a time.")
@click.option("--many", default=Plan.many, show_default=True, type=click.IntRange(1), help="Chains many at once.")
@click.option("--at-once", default=Plan.at_once, show_default=True, type=click.IntRange(1), help="How many at once.")
@click.option("--only", "names", multiple=True, type=click.Choice(NAMES), help="Beside ours only this; repeatable.")
def main(rounds: int, names: tuple[str, ...], **sizes: int) -> None:
    """Measure our Sealer against other durable engines."""
    chosen = [each for each in CONTESTANTS if each.name == OURS or not names or each.name in names]
    try:
        with tempfile.TemporaryDirectory(prefix="sealflow-bench-") as name:
            Path(name).chmod(0o755)  # PostgreSQL runs as another user
            asyncio.run(_compare(chosen, Path(name), Plan(**sizes), rounds))
    except (ChildError, ContenderError, ProgramMissingError) as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(1)


async def _compare(chosen: Sequence[Contestant], folder: Path, plan: Plan, rounds: int) -> None:
    for each in chosen:
        if not each.installed:
            raise ProgramMissingError(f"{each.package} is not installed; run: scripts/python.sh --group bench")
    taken: dict[str, list[Round]] = defaultdict(list)
    async with servers(folder, {server for each in chosen for server in each.servers}) as running:
        trips, work = await ours_taken(running, folder)
        await _tell_idle(running)
        for turn in range(rounds):
            first = turn % len(chosen)
            for each in (*chosen[first:], *chosen[:first]):
                its = work.first(trips.activities) if each.least else work
                taken[each.name].append(await measured(each, running, its, plan))
                click.echo(f"bench: round {turn + 1} of {rounds}, {each.name}: {taken[each.name][-1]}", err=True)
    for line in told(trips, plan, chosen, taken):
        click.echo(line)


async def _tell_idle(running: Servers) -> None:
    """Print what the servers use that have nothing to do: the others have that beside them."""
    before = running.cpu()
    await asyncio.sleep(IDLE)
    used = {name: (after - before[name]) / IDLE for name, after in running.cpu().items()}
    shares = ", ".join(f"{name} {share:.1%}" for name, share in used.items())
    click.echo(f"servers that have nothing to do, of a core: {shares}")


if __name__ == "__main__":
    try:
        main(prog_name="python -m bench.engines")
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        # The SDK's threads crash now and then while the interpreter ends.
        os._exit(end.code if isinstance(end.code, int) else 1)
