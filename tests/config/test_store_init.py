"""``sealflow store init`` makes folders that a worker takes, says what to add to its file, and spoils nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sealing.config import HotFiles, load
from tests.config.files import Writer
from tests.survival.program import SEALFLOW
from workers.cli import cli


def init(path: Path, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["store", "init", str(path), *options])


def tree(folder: Path) -> list[str]:
    """Return all that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def lines_to_add(result: Result) -> str:
    """Return the TOML that it prints."""
    assert result.exit_code == 0, result.output
    return result.output.partition("add to the worker's file:\n\n")[2]


def test_a_location(tmp_path: Path) -> None:
    """The folders of the data and the holder, each told; the printed lines make a file that starts without a note."""
    folder = tmp_path / 'a "b"' / "thread"
    result = init(folder)
    folders = ["cache", "prepared", "sealed", "unsealed", "update", "update-cache"]
    assert tree(folder) == [".holder", "data", *(f"data/{name}" for name in folders)]
    assert f"made {folder}/data/cache\n" in result.output
    file = tmp_path / "worker.toml"
    file.write_text(f'[sector_manager]\nrpc_client.addr = "http://h:1"\n{lines_to_add(result)}')
    config = load(file, strict=True)
    assert [thread.location for thread in config.sealing_thread] == [folder]
    assert config.notes == ()


def test_it_may_be_done_again(tmp_path: Path) -> None:
    """What is there stays as it is, sectors too, and what was lost comes back."""
    init(tmp_path / "thread", "--hot")
    (tmp_path / "thread" / "data" / "sealed" / "s-t01000-1").write_text("a sector")
    (tmp_path / "thread" / "config.toml").write_text('plan = "snapup"')
    before = tree(tmp_path / "thread")
    assert f"{tmp_path}/thread was ready already\n" in init(tmp_path / "thread", "--hot").output
    (tmp_path / "thread" / ".holder").unlink()
    assert init(tmp_path / "thread").output.startswith(f"made {tmp_path}/thread/.holder\n")
    assert tree(tmp_path / "thread") == before
    assert (tmp_path / "thread" / "data" / "sealed" / "s-t01000-1").read_text() == "a sector"
    assert (tmp_path / "thread" / "config.toml").read_text() == 'plan = "snapup"'


def test_an_example_of_a_hot_configuration(tmp_path: Path) -> None:
    """It changes nothing as it is, and is right when its lines count."""
    init(tmp_path / "thread", "--hot")
    hot = tmp_path / "thread" / "config.toml"
    thread, note = HotFiles().of(tmp_path / "thread")
    assert (thread and thread.model_fields_set, note) == (set(), "")
    _, *example = hot.read_text().splitlines()
    hot.write_text("\n".join(line.removeprefix("# ") for line in example))
    thread, note = HotFiles().of(tmp_path / "thread")
    assert (thread and thread.plan, note) == ("snapup", "")


def test_a_store(write: Writer, tmp_path: Path) -> None:
    """Its folders, and what it says of itself: both an [[attached]] and a pattern find it by its name."""
    folder = tmp_path / "store"
    result = init(folder, "--attached", "--name", 'the "first"', "--readonly")
    assert tree(folder) == ["cache", "sealed", "sectorstore.json", "update", "update-cache"]
    said = json.loads((folder / "sectorstore.json").read_text())
    assert (said.keys(), said["Name"], said["ReadOnly"]) == ({"ID", "Name", "ReadOnly"}, 'the "first"', True)
    (tmp_path / "thread").mkdir()
    for rest in (lines_to_add(result), f'[worker]\nscan_persist_stores = ["{folder}"]'):
        (store,) = load(write(f'location = "{tmp_path}/thread"\n{rest}')).stores()
        assert (store.name, store.location, store.readonly) == ('the "first"', folder, True)


def test_a_store_again(tmp_path: Path) -> None:
    """It keeps its name and its ID; another name, or other access, is refused."""
    folder = tmp_path / "store"
    init(folder, "--attached", "--name", "one")
    said = (folder / "sectorstore.json").read_text()
    for options in ((), ("--name", "one")):
        again = init(folder, "--attached", *options)
        assert "was ready already" in again.output
        assert 'name = "one"' in again.output
    other = init(folder, "--attached", "--name", "two")
    assert other.exit_code == 1
    assert "says that its name is one; give that name, or none" in other.output
    assert "says that ReadOnly is false; change it there" in init(folder, "--attached", "--readonly").output
    assert (folder / "sectorstore.json").read_text() == said


def test_a_store_without_a_name_has_that_of_its_path(tmp_path: Path) -> None:
    """As with the manager."""
    assert f'name = "{tmp_path}/store"' in init(tmp_path / "store", "--attached").output


@pytest.mark.parametrize("options", [(), ("--attached",)])
def test_a_folder_that_holds_something_else(tmp_path: Path, options: tuple[str, ...]) -> None:
    """It is refused with what is there, and nothing is made; what a file system itself makes is nothing."""
    (tmp_path / "lost+found").mkdir()
    for name in "abcd":
        (tmp_path / name).touch()
    before = tree(tmp_path)
    result = init(tmp_path, *options)
    assert result.exit_code == 1
    assert f"{tmp_path} holds something else (a, b, c and 1 more); name an empty folder" in result.output
    assert tree(tmp_path) == before
    for name in "abcd":
        (tmp_path / name).unlink()
    assert init(tmp_path, *options).exit_code == 0


def test_a_location_is_no_store_and_a_store_no_location(tmp_path: Path) -> None:
    """Neither becomes the other."""
    init(tmp_path / "thread")
    init(tmp_path / "store", "--attached")
    assert "holds something else (.holder, data)" in init(tmp_path / "thread", "--attached").output
    assert "holds something else (cache, sealed, sectorstore.json and 2 more)" in init(tmp_path / "store").output


def test_a_location_with_a_sector_of_the_other_worker(tmp_path: Path) -> None:
    """It is refused with what to do; with its database alone it is prepared."""
    (tmp_path / "meta").mkdir()
    assert init(tmp_path).exit_code == 0
    (tmp_path / "data" / "cache" / "s-t01000-1").mkdir()
    result = init(tmp_path)
    assert result.exit_code == 1
    assert "holds a sector that the other worker has not finished (data/cache/s-t01000-1)" in result.output


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--name", "x"), "give --attached too"),
        (("--readonly",), "give --attached too"),
        (("--attached", "--hot"), "a thread's"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: tuple[str, ...], why: str) -> None:
    """They are wrong usage."""
    result = init(tmp_path / "x", *options)
    assert result.exit_code == 2
    assert why in result.output
    assert not (tmp_path / "x").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """What is no folder is refused, and so is one that cannot be made."""
    (tmp_path / "file").touch()
    assert "is not a folder" in init(tmp_path / "file").output
    assert "cannot be prepared" in init(tmp_path / "file" / "below").output
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "sectorstore.json").write_text("{")
    assert "is not JSON" in init(tmp_path / "store", "--attached").output


def test_a_worker_refuses_an_unknown_key_where_it_is_told_to(write: Writer, tmp_path: Path) -> None:
    """``worker run --strict`` ends with the line, and starts nothing."""
    file = write(f'location = "{tmp_path}"\nplam = "x"')
    result = subprocess.run([SEALFLOW, "worker", "-c", file, "run", "--strict"], capture_output=True, check=False)
    assert result.returncode == 1
    assert 'line 4: sealing_thread[0].plam = "x": unknown key; did you mean plan?' in result.stderr.decode()
