"""A file with older names of keys starts, and its errors are told by the names that stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.config import ConfigError, load
from tests.config.files import Writer

MANAGER = 'sector_manager.rpc_client.addr = "http://h:1"\n'


def test_threads_by_their_older_name(tmp_path: Path) -> None:
    """``sealing_daemons`` are sealing threads; what is wrong there is told there."""
    file = tmp_path / "worker.toml"
    file.write_text(f'{MANAGER}[[sealing_daemons]]\nlocation = "{tmp_path}"\n')
    config = load(file)
    assert [thread.location for thread in config.sealing_thread] == [tmp_path]
    assert config.notes == ()
    file.write_text(f"{MANAGER}\n[[sealing_daemons]]\nlocation = 5\n")
    with pytest.raises(ConfigError) as wrong:
        load(file)
    assert [str(problem) for problem in wrong.value.problems] == [
        "line 4: sealing_daemons[0].location = 5: write a path in quotes"
    ]


def test_the_remote_store_is_one_more_attached(write: Writer, tmp_path: Path) -> None:
    """It counts beside the attached stores, its name is its location when none is given, and it may be read only."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    old = f'[remote_store]\nlocation = "{tmp_path}/b"\nreadonly = true'
    config = load(write(f'location = "{tmp_path}"\n[[attached]]\nname = "a"\nlocation = "{tmp_path}/a"\n{old}'))
    assert [(store.name, store.readonly) for store in config.stores()] == [("a", False), (f"{tmp_path}/b", True)]
    with pytest.raises(ConfigError) as wrong:
        load(write(f'location = "{tmp_path}"\n[remote_store]\nlocation = "/none"'))
    (problem,) = wrong.value.problems
    assert (problem.key, problem.line) == ("remote_store.location", 5)


@pytest.mark.parametrize(
    ("text", "line"), [("ScanPersistStores", 1), ("[worker]\nScanPersistStores", 2), ("worker.ScanPersistStores", 1)]
)
def test_scanned_stores_by_their_older_name(tmp_path: Path, text: str, line: int) -> None:
    """At the top, and in the worker's table, where the other worker's own documentation has it."""
    file = tmp_path / "worker.toml"
    file.write_text(
        f'{text} = ["{tmp_path}/none"]\n[sector_manager]\nrpc_client.addr = "http://h:1"\n'
        f'[[sealing_thread]]\nlocation = "{tmp_path}"\n'
    )
    config = load(file)
    assert config.worker.scan_persist_stores == (f"{tmp_path}/none",)
    (note,) = config.notes
    assert note.line == line
    assert "ScanPersistStores[0]" in note.key


def test_folders_of_pieces_by_their_older_name(write: Writer, tmp_path: Path) -> None:
    """One folder is a list of one."""
    config = load(write(f'location = "{tmp_path}"\n[worker]\nlocal_pieces_dir = "{tmp_path}"'))
    assert config.worker.local_pieces_dirs == (tmp_path,)
    assert config.notes == ()


def test_limits_by_their_older_name(write: Writer, tmp_path: Path) -> None:
    """They count where the newer ones are not there, as with the other worker."""
    old, new = "[processors.limit]\npc1 = 3\n", "[processors.limitation.concurrent]\npc2 = 1\n"
    assert load(write(f'location = "{tmp_path}"\n{old}')).processors.limits().concurrent == {"pc1": 3}
    both = load(write(f'location = "{tmp_path}"\n{old}{new}'))
    assert both.processors.limits().concurrent == {"pc2": 1}
    assert [str(note) for note in both.notes] == [
        "line 4: processors.limit: ignored: concurrent, its newer name, is there too"
    ]


@pytest.mark.parametrize(
    "text",
    ["worker = 3\nScanPersistStores = []", "attached = 3\nremote_store = 4", "processors = 1", "remote_store = 1"],
)
def test_what_is_no_table(tmp_path: Path, text: str) -> None:
    """Is a problem as always."""
    file = tmp_path / "worker.toml"
    file.write_text(f'{text}\n{MANAGER}[[sealing_thread]]\nlocation = "{tmp_path}"\n')
    with pytest.raises(ConfigError) as wrong:
        load(file)
    assert "write a table" in str(wrong.value) or "write a list" in str(wrong.value)
