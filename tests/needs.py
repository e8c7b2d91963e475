"""What a test needs of the machine. Where it is missing the test is skipped with how to get it; CI fails on a skip."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from sealing.cache import cache_dir


def need(program: str, how_to_get: str) -> Path:
    """Return a program of PATH, or skip the test, saying how to get it."""
    found = shutil.which(program)
    if found is None:
        missing(program, how_to_get)
    return Path(found)


def missing(what: str, how_to_get: str) -> NoReturn:
    """Skip the test for something that this machine does not have."""
    pytest.skip(f"needs {what}; to get it: {how_to_get}")


def need_tctl() -> Path:
    """Return the ``tctl`` program, PATH's or the cache's, or skip the test."""
    found = shutil.which("tctl") or shutil.which(built_tctl())
    if found is None:
        missing("tctl", "scripts/tctl.sh")
    return Path(found)


def built_tctl() -> Path:
    """Return where scripts/tctl.sh puts ``tctl``."""
    return cache_dir() / "bin" / "tctl"
