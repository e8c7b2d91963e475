"""Set-up's scripts and the code agree, and a missing tool is told with how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sealing.cache import built_processor, built_temporal, cache_dir
from tests.needs import built_tctl

ROOT = Path(__file__).parents[1]
BASICS = ("bash", "dirname", "mkdir", "flock", "tail", "sh", "chmod", "mv", "rmdir")


def run_script(name: str, **environment: str) -> tuple[int, str]:
    """Run a script of a set-up, and return its status and what it printed."""
    done = subprocess.run(
        [ROOT / "scripts" / name], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine with no more than a shell, and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in BASICS:
        (programs / name).symlink_to(shutil.which(name) or name)
    return {"PATH": str(programs), "SEALFLOW_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HOME": "/home/me"}, "/home/me/.cache/sealflow"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/x"}, "/x/sealflow"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/x", "SEALFLOW_CACHE": "/own"}, "/own"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": ""}, "/home/me/.cache/sealflow"),
    ],
)
def test_scripts_and_code_have_the_same_cache(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """What the scripts build is where the code looks."""
    line = next(line for line in (ROOT / "scripts" / "lib.sh").read_text().splitlines() if line.startswith("CACHE="))
    for name in ("SEALFLOW_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    printed = subprocess.run(
        ["bash", "-c", f'{line}; printf %s "$CACHE"'],  # noqa: S607, any bash will do
        env={**environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == str(cache_dir()) == expected


@pytest.mark.parametrize(
    ("script", "missing", "how"),
    [
        ("python.sh", "Python 3.11 or newer is missing", "apt-get install python3"),
        ("temporal.sh", "go is missing", "https://go.dev/dl"),
        ("tctl.sh", "go is missing", "https://go.dev/dl"),
        ("server.sh", "go is missing", "https://go.dev/dl"),
        ("processor.sh", "cargo is missing", "https://rustup.rs"),
    ],
)
def test_a_missing_tool_is_told(bare: dict[str, str], script: str, missing: str, how: str) -> None:
    """Set-up stops with which tool is missing and how to get it."""
    status, printed = run_script(script, **bare)
    assert status == 1
    assert missing in printed
    assert how in printed


@pytest.mark.parametrize(("program", "named"), [("temporal", "temporal"), ("tctl", "cli")])
def test_a_command_line_is_built_whole(bare: dict[str, str], tmp_path: Path, program: str, named: str) -> None:
    """A build that fails leaves nothing in the place of the command, and the next one goes on."""
    go, built = tmp_path / "bin" / "go", tmp_path / "cache" / "bin" / program
    go.write_text(f'#!/bin/sh\necho half >"$GOBIN/{named}"\necho the disk is full\nexit 1\n')
    go.chmod(0o755)
    status, printed = run_script(f"{program}.sh", **bare)
    assert (status, built.exists()) == (1, False)
    assert "the disk is full" in printed
    go.write_text(f'#!/bin/sh\necho whole >"$GOBIN/{named}"\nchmod +x "$GOBIN/{named}"\n')
    assert run_script(f"{program}.sh", **bare)[0] == 0
    assert built.read_text() == "whole\n"
    assert list(built.parent.iterdir()) == [built]


def test_scripts_and_code_have_the_same_programs() -> None:
    """The places that the scripts write to are those that the code knows."""
    scripts = "".join(path.read_text() for path in (ROOT / "scripts").glob("*.sh"))
    for program in (built_temporal(), built_processor(), built_tctl()):
        assert f"$CACHE/{program.relative_to(cache_dir())}" in scripts
