"""What set-up built is found: an explicit setting wins, then this clone's own, then PATH's, then the cache's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sealing.cache import ProgramMissingError, cache_dir, find_processor, find_temporal, proof_environment


def program(path: Path) -> Path:
    """Write something that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


@pytest.fixture(autouse=True)
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an environment, a PATH and a cache that are empty."""
    for name in ("SEALFLOW_TEMPORAL", "FIL_PROOFS_PARAMETER_CACHE", "FIL_PROOFS_PARENT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEALFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own setting wins over the desktop's, and that over the home folder's."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("SEALFLOW_CACHE", "/own")
    assert cache_dir() == Path("/own")
    monkeypatch.delenv("SEALFLOW_CACHE")
    assert cache_dir() == Path("/x/sealflow")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path("/home/me/.cache/sealflow")


def test_the_proofs_are_told_where_their_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the user's own stays."""
    monkeypatch.setenv("FIL_PROOFS_PARENT_CACHE", "/mine")
    assert proof_environment() == {
        "FIL_PROOFS_PARAMETER_CACHE": str(cache_dir() / "proof-parameters"),
        "FIL_PROOFS_PARENT_CACHE": "/mine",
    }


def test_the_order_in_which_the_processor_is_searched(tmp_path: Path) -> None:
    """Each place that is added is preferred to the one before."""
    for place in ("cache/target/release", "path", "venv/bin"):
        expected = program(tmp_path / place / "seal-processor")
        assert find_processor() == expected
    explicit = program(tmp_path / "mine")
    assert find_processor(explicit) == explicit


def test_the_order_in_which_temporal_is_searched(tmp_path: Path) -> None:
    """Each place that is added is preferred to the one before."""
    for place in ("cache/bin", "path"):
        expected = program(tmp_path / place / "temporal")
        assert find_temporal() == expected
    explicit = program(tmp_path / "mine")
    assert find_temporal({"SEALFLOW_TEMPORAL": str(explicit)}) == explicit


def test_a_setting_that_names_nothing_is_told() -> None:
    """A wrong setting is an error, not a reason to take another program in silence."""
    with pytest.raises(ProgramMissingError, match="SEALFLOW_TEMPORAL names /none"):
        find_temporal({"SEALFLOW_TEMPORAL": "/none"})
    with pytest.raises(ProgramMissingError, match="program names /none"):
        find_processor("/none")


def test_nothing_found_says_what_to_type() -> None:
    """The error says where it was looked for and how to get the program."""
    with pytest.raises(ProgramMissingError, match=r"venv/bin/seal-processor, PATH, .*run: make setup"):
        find_processor()
