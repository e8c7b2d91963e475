"""A thread's hot configuration counts over the worker's file, and a broken one changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealing.config import HotFiles, as_it_is, load
from tests.config.files import Writer


def test_its_keys_count_over_those_of_the_worker_s_file(write: Writer, tmp_path: Path) -> None:
    """Also over the thread's own there; what it does not name stays."""
    config = load(
        write(f'location = "{tmp_path}"\nsealing.max_retries = 7\nsealing.max_deals = 3\n[sealing]\nmax_retries = 6')
    )
    (tmp_path / "config.toml").write_text('plan = "snapup"\nsealing.max_retries = 8\n')
    hot = as_it_is(config)
    assert (config.sealing_thread[0].plan, hot.sealing_thread[0].plan) == ("sealer", "snapup")
    assert (config.sealing_of(0).max_retries, hot.sealing_of(0).max_retries) == (7, 8)
    assert hot.sealing_of(0).max_deals == 3
    (tmp_path / "config.toml").write_text("sealing.max_deals = 9")
    assert as_it_is(config).sealing_thread[0].plan == "sealer"


def test_a_broken_one_keeps_what_was_good(tmp_path: Path) -> None:
    """Within a worker's life the last good one counts, and the broken file is named with its line; gone, it is over."""
    files, file = HotFiles(), tmp_path / "config.toml"
    assert files.of(tmp_path) == (None, "")
    file.write_text('plan = "snapup"\n')
    good, note = files.of(tmp_path)
    assert (good and good.plan, note) == ("snapup", "")
    file.write_text('plan = "snapup"\n\nplan = = 1\n')
    kept, note = files.of(tmp_path)
    assert kept == good
    assert note.startswith(f"the hot configuration {file} is broken: line 3: is not valid TOML")
    assert note.endswith("; what was read before still counts")
    file.write_text("\nplan = 'wdpost'\nsealing.max_retries = 'x'")
    kept, note = files.of(tmp_path)
    assert kept == good
    assert 'line 2: plan = "wdpost": window PoSt is not supported' in note
    assert 'line 3: sealing.max_retries = "x": write a whole number' in note
    file.unlink()
    assert files.of(tmp_path) == (None, "")


def test_a_worker_that_starts_with_a_broken_one(write: Writer, tmp_path: Path) -> None:
    """It goes by its own file, says so, and the file is noted when it is loaded."""
    (tmp_path / "config.toml").write_text("plan = 3")
    hot, note = HotFiles().of(tmp_path)
    assert hot is None
    assert "none was read since this worker started: the settings of the worker's own file count" in note
    (found,) = load(write(f'location = "{tmp_path}"')).notes
    assert (found.key, found.line) == ("sealing_thread[0].location", 3)
    assert "config.toml is broken: line 1: plan = 3: write text in quotes" in found.why


@pytest.mark.parametrize("text", ['location = "/elsewhere"', "plam = 'sealer'"])
def test_what_has_no_place_in_it(write: Writer, tmp_path: Path, text: str) -> None:
    """A location, which it cannot change, and a key that nobody knows are ignored, and noted."""
    (tmp_path / "config.toml").write_text(text)
    (found,) = load(write(f'location = "{tmp_path}"')).notes
    assert "config.toml: line 1:" in found.why
    assert "unknown key, ignored" in found.why
    assert HotFiles().of(tmp_path)[1] == ""


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    """What is no file is broken too, and nobody waits for somebody to write into it."""
    os.mkfifo(tmp_path / "config.toml")
    assert "config.toml is no file; write one, or remove it" in HotFiles().of(tmp_path)[1]
