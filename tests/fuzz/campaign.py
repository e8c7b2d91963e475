"""The long form: every target under atheris for its share of the time, on all cores, with a summary at the end.

An input that crashes a parser, hangs it or takes its memory is kept in the target's corpus, as a regression.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests.fuzz.engine import SECONDS
from tests.fuzz.target import CORPUS, LIMIT
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
PREFIXES = ("crash-", "timeout-", "oom-")
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
"""Where files cost no disk's time."""
RSS = 2048
"""Megabytes of resident memory at most."""
_STAT = re.compile(r"stat::(\w+):\s+(\d+)")
_DONE = re.compile(r"^Done \d+ runs in (\d+) second", re.MULTILINE)
_RUNS = re.compile(r"^#(\d+)\s", re.MULTILINE)


@dataclass
class Result:
    """What became of a target: inputs, seconds, the slowest input's computing seconds, peak megabytes, findings."""

    name: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0
    findings: list[Path] = field(default_factory=list)
    broken: str = ""
    """Why the engine could not go on, other than for a finding."""


@click.command()
@click.option("--seconds", default=600, show_default=True, help="How long all of it takes, about.")
@click.option("--inputs", default=0, help="Inputs of each target at most; 0: as many as there is time for.")
@click.option("--target", "names", multiple=True, type=click.Choice(sorted(TARGETS)), help="Only this one; repeatable.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Targets at the same time.")
@click.option("--seed", default=0, help="Of the search; 0: another each time.")
def main(seconds: int, inputs: int, names: Sequence[str], jobs: int, seed: int) -> None:
    """Fuzz the parsers of foreign bytes. Exit status 1: something was found."""
    chosen = list(names or TARGETS)
    share = max(1, int(seconds * min(jobs, len(chosen)) / len(chosen)))
    click.echo(f"{len(chosen)} targets, {share} s each, {jobs} at a time")
    with ThreadPoolExecutor(jobs) as pool:
        results = list(_told(pool.map(lambda name: _fuzzed(name, share, inputs, seed), chosen), len(chosen)))
    click.echo(_table(results))
    found = [path for result in results for path in result.findings]
    for path in found:
        click.echo(f"found: {path.relative_to(ROOT)}; again: python -m tests.fuzz.engine {path.parent.name} {path}")
    broken = [result for result in results if result.broken]
    for result in broken:
        click.echo(f"{result.name}: {result.broken}")
    sys.exit(bool(found or broken))


def _told(results: Iterator[Result], count: int) -> Iterator[Result]:
    for number, result in enumerate(results, 1):
        rate = result.inputs / max(result.seconds, 1)
        click.echo(f"{number} of {count}: {result.name}, {result.inputs:,} inputs, {rate:,.0f} a second")
        yield result


def _fuzzed(name: str, seconds: int, inputs: int, seed: int) -> Result:
    """Run one target until its time or its inputs are used up, or something is found."""
    result, until = Result(name), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="sealflow-fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        while (left := int(until - time.monotonic())) > 0 and not result.findings:
            runs = inputs - result.inputs if inputs else -1
            if not runs or not _ran(result, Path(folder), left, runs, seed):
                break
    return result


def _ran(result: Result, folder: Path, seconds: int, runs: int, seed: int) -> bool:
    """Run the engine once; return whether it stopped early, for an input that is no finding."""
    report, grown, corpus = folder / "slowest", folder / "grown", CORPUS / result.name
    grown.mkdir(exist_ok=True)
    before, began = _kept(corpus), time.monotonic()
    options = [
        *(
            f"-max_total_time={seconds}",
            f"-runs={runs}",
            f"-seed={seed}",
            f"-timeout={SECONDS:.0f}",
            f"-rss_limit_mb={RSS}",
        ),
        *(f"-max_len={LIMIT}", f"-artifact_prefix={corpus}/", "-print_final_stats=1", str(grown), str(corpus)),
    ]
    command = [sys.executable, "-m", "tests.fuzz.engine", result.name, str(report), *options]
    # Not check: how it ended is told by what it left.
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, check=False, env={**os.environ, "TMPDIR": str(folder)}
    )
    said = ended.stderr.decode(errors="replace")
    stats = {key: int(value) for key, value in _STAT.findall(said)}
    result.inputs += stats.get("number_of_executed_units", max(map(int, _RUNS.findall(said)), default=0))
    done = _DONE.search(said)
    result.seconds += int(done[1]) if done else time.monotonic() - began
    result.memory = max(result.memory, stats.get("peak_rss_mb", 0))
    result.slowest = max(result.slowest, float(report.read_text()) if report.exists() else 0.0)
    new = sorted(_kept(corpus) - before)
    result.findings += [path for path in new if _is_finding(path)]
    if ended.returncode and not new:
        result.broken = f"the engine ended with {ended.returncode}:\n{said[-4000:]}"
    return bool(ended.returncode) and not result.broken


def _kept(corpus: Path) -> set[Path]:
    return {path for path in corpus.iterdir() if path.name.startswith(PREFIXES)}


def _is_finding(path: Path) -> bool:
    """Run an input again, alone: on a machine under load one that is only interrupted seems to hang."""
    command = [sys.executable, "-m", "tests.fuzz.engine", path.parent.name, str(path)]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return True
    if ended.returncode:
        click.echo(f"{path.parent.name}: {path.name}\n{ended.stderr.decode(errors='replace')[-2000:]}")
        return True
    path.unlink()
    return False


def _table(results: Sequence[Result]) -> str:
    lines = [f"{'target':18}{'inputs':>12}{'a second':>10}{'slowest':>10}{'memory':>10}{'found':>7}"]
    lines += [
        f"{one.name:18}{one.inputs:12,}{one.inputs / max(one.seconds, 1):10,.0f}{one.slowest:8.3f} s"
        f"{one.memory:7} MB{len(one.findings):7}"
        for one in results
    ]
    total = sum(one.inputs for one in results)
    slowest = max(one.slowest for one in results)
    lines += [f"{'all':18}{total:12,}{'':10}{slowest:8.3f} s{max(one.memory for one in results):7} MB"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
