"""What the figures were measured on: the machine, and the versions of what was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.stack.programs import built_server, postgres_programs
from sealing.cache import cache_dir, find_temporal

ROOT = Path(__file__).parents[1]
PACKAGES = ("temporalio", "pydantic", "dbos", "restate-sdk")


def described() -> str:
    """Return the machine and the versions as a Markdown list."""
    return "\n".join(f"- {line}" for line in _lines())


def commit() -> str:
    """Return the commit that is measured, and whether more than docs, where benches write, was changed since."""
    git = ["git", "-C", str(ROOT)]
    changed = _said([*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"])
    return _said([*git, "rev-parse", "--short", "HEAD"]) + ("-dirty" if changed else "")


def _lines() -> Iterator[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    yield f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}"
    yield f"Python {platform.python_version()}, {', '.join(_packages())}"
    yield f"the development server: {_said([str(find_temporal()), '--version'])}"
    yield f"Temporal's server: {(built_server() / 'version').read_text().split()[0]}"
    yield _said([str(postgres_programs() / "postgres"), "--version"])
    yield _said([str(cache_dir() / "restate" / "restate-server"), "--version"])


def _processor() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(": ")[2] if models else platform.machine()


def _packages() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            yield f"{name} not installed"


def _said(argv: Sequence[str]) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own words
