"""A file of keys for payloads: what is taken, and what is refused where a worker would start with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.config import load
from sealing.keyring import KeyFileError, Keyring, new_line, read_keys
from tests.config.files import Writer
from tests.config.test_problems import the_problem
from tests.encryption.files import key_file


def naming(write: Writer, keys: Path) -> Path:
    """Write a configuration that names a file of keys, and is right but for that."""
    return write(f'location = "{keys.parent}"\n[temporal]\npayload_key_file = "{keys}"\n')


def test_a_file_of_keys(tmp_path: Path) -> None:
    """The order counts; empty lines and remarks do not."""
    one, two = new_line("one"), new_line("2026-11.b_2")
    file = key_file(tmp_path, f"# ours\n\n{one}\n  {two}  \n")
    assert list(read_keys(file).keys) == ["one", "2026-11.b_2"]
    assert "x" * 32 not in repr(Keyring({"a": b"x" * 32})), "a key is not shown by accident"


SHORT = "YWJj"
WRONG = {
    "alone\n": "line 1 of it: write an id, a space and 32 bytes in base64",
    f"# first\nmine {SHORT}\n": "line 2 of it: the key has 3 bytes, 32 are needed",
    "mine %%%%\n": "line 1 of it: the key is no base64",
    f"a/b {SHORT}": "line 1 of it: the id has other characters",
    "# nothing\n": "holds no key; add the line that sealflow codec key prints",
}


@pytest.mark.parametrize(("content", "right"), WRONG.items())
def test_a_file_that_is_wrong_is_refused_with_its_line(write: Writer, tmp_path: Path, content: str, right: str) -> None:
    """Both lines are told, the configuration's and the key file's, and never what may be a key."""
    file = key_file(tmp_path, content)
    problem = the_problem(naming(write, file))
    assert (problem.key, problem.value) == ("temporal.payload_key_file", f'"{file}"')
    assert problem.line is not None
    assert right in problem.right
    assert SHORT not in problem.right


def test_of_many_wrong_lines_the_first_are_told(tmp_path: Path) -> None:
    """A file that is something else altogether is refused with a text that can be read."""
    with pytest.raises(KeyFileError, match=r"line 20 of it.*; and 980 more lines are wrong$"):
        read_keys(key_file(tmp_path, "wrong\n" * 1000))


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Both lines are named, and all that is wrong is told at once."""
    line = new_line("mine")
    with pytest.raises(KeyFileError, match=r"line 3 of it: the id mine is that of line 1.*; line 4 of it: write an id"):
        read_keys(key_file(tmp_path, f"{line}\n\n{line}\nnonsense\n"))


def test_a_file_that_others_can_read_is_refused(write: Writer, tmp_path: Path) -> None:
    """It says what to type; a group may read it."""
    file = key_file(tmp_path, new_line("mine"))
    named = naming(write, file)
    file.chmod(0o640)
    assert load(named).temporal.payload_key_file == file
    file.chmod(0o644)
    assert f"type: chmod 600 {file}" in the_problem(named).right


def test_a_file_that_is_missing_or_none_is_refused(write: Writer, tmp_path: Path) -> None:
    """As other files are, and a folder is none."""
    for path in (tmp_path / "none", tmp_path):
        problem = the_problem(naming(write, path))
        assert problem.right == "is no file that this user can read; correct the path"


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where a file of keys is named."""
    monkeypatch.setattr("sealing.keyring.PACKAGE", "no_such_package")
    with pytest.raises(KeyFileError, match="install sealflow with its extra: encryption"):
        read_keys(key_file(tmp_path, new_line("mine")))
