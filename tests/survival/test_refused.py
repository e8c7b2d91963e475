"""A worker that cannot start says why: what is wrong, where, and what would be right. Exit status 1, no traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.survival.program import SEALFLOW

GOOD = """\
[sector_manager]
rpc_client.addr = "/ip4/127.0.0.1/tcp/1"
[processors]
program = "simulated"
[temporal]
address = "127.0.0.1:1"
[[sealing_thread]]
location = "{location}"
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([SEALFLOW, *arguments], capture_output=True, text=True, timeout=60, check=False)


def refused(file: Path) -> str:
    """Start a worker that must be refused, and return what it said."""
    done = run("worker", "-c", file, "run", "--wait", "0")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a good configuration, to be spoiled."""
    (tmp_path / "location").mkdir()
    path = tmp_path / "worker.toml"
    path.write_text(GOOD.format(location=tmp_path / "location"))
    return path


def spoil(file: Path, old: str, new: str) -> None:
    """Replace a text in the configuration."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_toml_that_cannot_be_read(file: Path) -> None:
    """The line is named."""
    file.write_text("[worker]\nname = \n")
    assert "line 2" in refused(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Its path is named."""
    assert str(tmp_path / "none.toml") in refused(tmp_path / "none.toml")


def test_an_unknown_plan(file: Path) -> None:
    """The key, the value and the plans that there are."""
    file.write_text(file.read_text() + 'plan = "bake"\n')
    said = refused(file)
    assert all(part in said for part in ("sealing_thread", "plan", '"bake"', "sealer"))


def test_a_location_that_is_missing_or_a_file_or_twice(file: Path) -> None:
    """Each is named with its key, all at once."""
    folder = file.parent
    file.write_text(
        GOOD.format(location=folder / "nowhere")
        + f'[[sealing_thread]]\nlocation = "{file}"\n'
        + f'[[sealing_thread]]\nlocation = "{folder}/location"\n' * 2
    )
    said = refused(file)
    for part in ("nowhere", "sealing_thread[0].location", "sealing_thread[1].location", "sealing_thread[3].location"):
        assert part in said


def test_a_location_that_cannot_be_written(file: Path) -> None:
    """A folder in which nothing can be made, whoever one is."""
    spoil(file, str(file.parent / "location"), "/proc")
    said = refused(file)
    assert "/proc" in said
    assert "writ" in said


def test_temporal_that_is_not_there(file: Path) -> None:
    """Its address, and what to do."""
    said = refused(file)
    assert "Temporal at 127.0.0.1:1 does not answer" in said
    assert "[temporal] address" in said


def test_a_processor_that_is_not_there(file: Path) -> None:
    """The key and the path."""
    spoil(file, '"simulated"', f'"{file.parent}/no-such-program"')
    said = refused(file)
    assert "processors.program" in said
    assert "no-such-program" in said


@pytest.mark.parametrize("wrong", [["worker"], ["worker", "run"], ["nonsense"], ["demo", "--sectors", "none"]])
def test_wrong_usage(wrong: list[str]) -> None:
    """Exit status 2, and the usage."""
    done = run(*wrong)
    assert done.returncode == 2
    assert "Usage: sealflow" in done.stderr
