"""Which tables a file must have: a machine that only proves for others has neither a manager nor a thread."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.config import ConfigError, load

MANAGER = '[sector_manager]\nrpc_client.addr = "http://h:1"\n'


def written(root: Path, text: str) -> Path:
    """Write a file."""
    file = root / "worker.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("stage", ["c2", "snap_prove"])
@pytest.mark.parametrize("manager", ["", MANAGER])
def test_a_machine_that_proves_for_others(tmp_path: Path, stage: str, manager: str) -> None:
    """One processor of a stage that needs no file of the sector is a whole file; a manager may be there."""
    config = load(written(tmp_path, f"{manager}[[processors.{stage}]]\n"))
    assert config.sealing_thread == ()
    assert (config.sector_manager is not None) == bool(manager)
    assert len(config.processors.of(stage)) == 1
    assert config.stores() == ()


def test_its_manager_is_refused_clearly(tmp_path: Path) -> None:
    """Who asks for it is told which table is missing."""
    config = load(written(tmp_path, "[[processors.c2]]\n"))
    with pytest.raises(ConfigError, match=r"sector_manager: add \[sector_manager\]"):
        _ = config.manager


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ["sector_manager", "sealing_thread"]),
        ("[[processors.pc2]]\n", ["sector_manager", "sealing_thread"]),
        ("processors.c2 = []\n", ["sector_manager", "sealing_thread"]),
        (MANAGER, ["sealing_thread"]),
        ("[[processors.c2]]\n[[sealing_thread]]\nlocation = '{root}'\n", ["sector_manager"]),
    ],
)
def test_any_other_machine(tmp_path: Path, text: str, missing: list[str]) -> None:
    """A thread needs a manager, and a machine without threads and without such a processor has nothing to do."""
    with pytest.raises(ConfigError) as wrong:
        load(written(tmp_path, text.format(root=tmp_path)))
    assert [problem.key for problem in wrong.value.problems] == missing
