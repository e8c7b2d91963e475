"""``scan_persist_stores``: each folder that says that it is a store is one more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sealing.config import ConfigError, load
from tests.config.files import Writer


def a_store(folder: Path, **description: Any) -> Path:
    """Make a store."""
    folder.mkdir(parents=True)
    (folder / "sectorstore.json").write_text(json.dumps(description))
    return folder


def scanning(write: Writer, root: Path, *patterns: str, more: str = "") -> Path:
    """Write a file that scans for stores below a folder."""
    (root / "thread").mkdir(exist_ok=True)
    found = json.dumps([f"{root}/{pattern}" for pattern in patterns])
    return write(f'location = "{root}/thread"\n[worker]\nscan_persist_stores = {found}\n{more}')


def test_names_and_access(write: Writer, tmp_path: Path) -> None:
    """Name, else ID, else the path is the name; ReadOnly counts; other keys are the manager's."""
    a_store(tmp_path / "mnt" / "a", Name="one", ID="x", Weight=3, Meta={})
    a_store(tmp_path / "mnt" / "b", Name="", ID="two", ReadOnly=True)
    a_store(tmp_path / "mnt" / "c")
    config = load(scanning(write, tmp_path, "mnt/*"))
    assert [(store.name, store.readonly) for store in config.stores()] == [
        ("one", False),
        ("two", True),
        (f"{tmp_path}/mnt/c", False),
    ]
    assert config.stores()[0].location == tmp_path / "mnt" / "a"
    assert config.notes == ()


def test_a_store_is_there_once(write: Writer, tmp_path: Path) -> None:
    """Two patterns, a link, and an [[attached]] of its own name: still one store."""
    folder = a_store(tmp_path / "mnt" / "a", Name="scanned")
    (tmp_path / "mnt" / "link").symlink_to(folder)
    more = f'[[attached]]\nname = "mine"\nlocation = "{folder}"'
    assert [store.name for store in load(scanning(write, tmp_path, "mnt/*", "*/a")).stores()] == ["scanned"]
    assert [store.name for store in load(scanning(write, tmp_path, "mnt/*", more=more)).stores()] == ["mine"]


def test_a_store_that_comes_later_is_found_then(write: Writer, tmp_path: Path) -> None:
    """The folders are looked at when the stores are asked for."""
    config = load(scanning(write, tmp_path, "mnt/*"))
    assert config.stores() == ()
    a_store(tmp_path / "mnt" / "a", Name="late")
    assert [store.name for store in config.stores()] == ["late"]


def test_what_is_no_store_is_noted(write: Writer, tmp_path: Path) -> None:
    """A folder that does not say that it is one, and a pattern that matches nothing, with its line."""
    (tmp_path / "mnt" / "lost+found").mkdir(parents=True)
    (tmp_path / "mnt" / "file").touch()
    notes = [str(note) for note in load(scanning(write, tmp_path, "mnt/*", "nothing*")).notes]
    key = "line 5: worker.scan_persist_stores"
    assert notes == [
        f"{key}[0]: {tmp_path}/mnt/lost+found is not attached: it has no sectorstore.json",
        f"{key}[1]: matches no folder; mount the stores, or correct the pattern",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no object"),
        ('{"Name": 3}', "Name and ID must be text"),
        ('{"ReadOnly": "no"}', "true or false"),
        ('{"Name": "other"}', "are both named other"),
    ],
)
def test_a_description_that_is_wrong(write: Writer, tmp_path: Path, text: str, why: str) -> None:
    """It is an error: a sector would end up elsewhere than the manager believes."""
    (a_store(tmp_path / "mnt" / "a") / "sectorstore.json").write_text(text)
    a_store(tmp_path / "mnt" / "b", Name="other")
    with pytest.raises(ConfigError) as wrong:
        load(scanning(write, tmp_path, "mnt/*"))
    (problem,) = wrong.value.problems
    assert (problem.key, problem.line) == ("worker.scan_persist_stores[0]", 5)
    assert why in problem.right


def test_a_description_that_cannot_be_read(write: Writer, tmp_path: Path) -> None:
    """A folder of that name is no description."""
    (tmp_path / "mnt" / "a" / "sectorstore.json").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(scanning(write, tmp_path, "mnt/*"))
