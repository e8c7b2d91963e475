"""The test run tells the truth: it uses our packages, ends with the right status, and CI takes no skip for a pass."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FAILING = "def test_it():\n    assert False\n"
SKIPPED = "from tests.needs import need\n\ndef test_it():\n    need('no-such-program', 'apt-get install nothing')\n"
MODULE_SKIPPED = "import pytest\n\npytest.importorskip('no_such_module')\n"
EXPECTED_TO_FAIL = "import pytest\n\n@pytest.mark.xfail\ndef test_it():\n    assert False\n"
PASSING = "import atexit\n\natexit.register(print, 'at exit')\n\ndef test_it():\n    pass\n"


def run_pytest(folder: Path, source: str, **environment: str) -> tuple[int, str]:
    """Run pytest with our conftest on one file, and return its status and what it printed."""
    (folder / "test_it.py").write_text(source)
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "-rs",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["sealing", "activities", "workflows", "workers"])
def test_the_packages_are_ours(name: str) -> None:
    """Others ship packages of these names too: those that are imported must be this clone's."""
    assert [Path(place) for place in import_module(name).__path__] == [ROOT / name]


@pytest.mark.parametrize(
    ("source", "status", "line"), [(PASSING, 0, "1 passed"), (FAILING, 1, "1 failed"), (SKIPPED, 0, "1 skipped")]
)
def test_the_run_ends_with_its_status(tmp_path: Path, source: str, status: int, line: str) -> None:
    """Leaving early keeps the summary and the status."""
    ended, printed = run_pytest(tmp_path, source)
    assert (ended, line in printed) == (status, True), printed


def test_what_is_registered_for_the_exit_runs(tmp_path: Path) -> None:
    """Leaving early skips no clean-up."""
    assert "at exit" in run_pytest(tmp_path, PASSING)[1]


def test_a_skip_says_how_to_get_what_is_missing(tmp_path: Path) -> None:
    """Whoever reads the summary knows what to type."""
    assert "needs no-such-program; to get it: apt-get install nothing" in run_pytest(tmp_path, SKIPPED)[1]


@pytest.mark.parametrize(("source", "status"), [(SKIPPED, 1), (MODULE_SKIPPED, 2), (PASSING, 0), (EXPECTED_TO_FAIL, 0)])
def test_a_skip_fails_where_nothing_may_be_missing(tmp_path: Path, source: str, status: int) -> None:
    """CI installs everything: a skipped test or module fails there, and an expected failure does not."""
    ended, printed = run_pytest(tmp_path, source, SEALFLOW_REQUIRE_ALL="1")
    assert ended == status, printed
