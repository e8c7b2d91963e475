"""``sealflow config check`` says what it understood, what it ignores and all that is wrong, whatever a file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sealing.config.fields import STAGES
from sealing.config.model import Contents
from sealing.config.older import OLDER
from tests.config.files import Writer, everything
from workers.cli import cli


def check(file: Path, *options: str) -> Result:
    """Run the command; it may end with 0 or 1, never otherwise."""
    result = CliRunner().invoke(cli, ["config", "check", str(file), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code in {0, 1}
    return result


def values(file: Path, *options: str) -> dict[str, Any]:
    """Return what it prints for programs."""
    found: dict[str, Any] = json.loads(check(file, "--json", *options).stdout)
    return found


def rows(text: str, section: str) -> list[list[str]]:
    """Return the words of each line of a section."""
    _, _, after = text.partition(f"{section}\n")
    return [line.split() for line in after.partition("\n\n")[0].splitlines()]


def test_what_is_understood(tmp_path: Path) -> None:
    """Every section: the worker, its queues, its threads with what counts for each, stores, processors, our tables."""
    file = everything(tmp_path)
    (tmp_path / "one" / "config.toml").write_text('plan = "snapup"\nsealing.max_retries = 1\n')
    result = check(file)
    assert result.exit_code == 0
    assert ["name", "sealer-1"] in rows(result.output, "worker")
    assert rows(result.output, "queues") == [["fleet", "fleet"], ["machine", "sealer-1"]]
    assert rows(result.output, "threads") == [
        ["index", "location", "plan", "config.toml"],
        ["0", f"{tmp_path}/one", "snapup", "counts"],
        ["1", f"{tmp_path}/two", "sealer", "-"],
    ]
    assert ["max_retries", "1"] in rows(result.output, "settings of 0")
    assert ["max_retries", "9"] in rows(result.output, "settings of 1")
    assert ["min_deal_space", "8.0", "GiB"] in rows(result.output, "settings of 1")
    assert [row[0] for row in rows(result.output, "stores")] == ["name", "store-1", f"{tmp_path}/archive", "old"]
    ours = f"{tmp_path}/seal-processor"
    processors = rows(result.output, "processors")
    assert ["pc1", ours, "job", "2", "1min", "12h", "-", "-", "-", "-"] in processors
    assert ["pc2", ours, "stream", "1", "-", "-", "1", "gpu", "0-7", "0"] in processors
    assert ["pc2", ours, "job", "1", "-", "-", "-", "gpu", "-", "-"] in processors
    assert ["gpu", "1"] in rows(result.output, "shared locks")
    assert ["expired_ticket", "park"] in rows(result.output, "policy")
    assert ["address", "temporal.example:7233"] in rows(result.output, "temporal")
    assert "abc" not in result.output
    assert result.output.endswith(f"{file}: a worker starts with it\n")


def test_what_is_ignored_and_why(write: Writer, tmp_path: Path) -> None:
    """A key without effect says why, an unknown one which may have been meant; neither is an error."""
    file = write(f'location = "{tmp_path}"\nplam = "x"\nsealing.verify_after_pc2 = true')
    found = values(file)
    assert found["errors"] == []
    assert found["ignored"] == [
        {"line": 4, "key": "sealing_thread[0].plam", "why": "unknown key, ignored; did you mean plan?"},
        {
            "line": 5,
            "key": "sealing_thread[0].sealing.verify_after_pc2",
            "why": "no effect: no stage verifies the replica after PC2; each proof is verified before it is sent",
        },
    ]
    assert "line 4: sealing_thread[0].plam: unknown key, ignored; did you mean plan?" in check(file).output


def test_every_error_at_once(write: Writer) -> None:
    """With its line, key, value and remedy; the exit status says that there are some."""
    file = write('location = "/none"\nplan = "x"\n[sealing]\nmax_retries = "x"\n[worker]\nnmae = 1')
    found = values(file, "--strict")
    assert [(error["line"], error["key"], error["value"]) for error in found["errors"]] == [
        (3, "sealing_thread[0].location", '"/none"'),
        (4, "sealing_thread[0].plan", '"x"'),
        (6, "sealing.max_retries", '"x"'),
        (8, "worker.nmae", "1"),
    ]
    assert found["errors"][0]["remedy"] == "is not there; create the folder or correct the path"
    assert found["errors"][3]["remedy"] == "unknown key; did you mean name?"
    assert found["understood"] is None
    result = check(file)
    assert result.exit_code == 1
    assert "wrong (3)" in result.output
    assert result.output.endswith("3 errors; a worker does not start with it\n")


def test_what_is_understood_is_shown_beside_a_folder_that_is_missing(write: Writer) -> None:
    """Values that are right are told although what they name is not there."""
    result = check(write('location = "/none"'))
    assert result.exit_code == 1
    assert ["0", "/none", "sealer"] in rows(result.output, "threads")


def test_a_machine_that_only_proves(tmp_path: Path) -> None:
    """Its file starts; only what it runs is shown."""
    file = tmp_path / "worker.toml"
    file.write_text("[[processors.c2]]\n")
    result = check(file, "--strict")
    assert result.exit_code == 0
    assert [row[0] for row in rows(result.output, "processors")] == ["stage", "c2"]
    assert "threads" not in result.output


def test_a_broken_hot_configuration(write: Writer, tmp_path: Path) -> None:
    """It is to be looked at, and its settings are not shown as counting."""
    (tmp_path / "config.toml").write_text("plan = 1")
    result = check(write(f'location = "{tmp_path}"'))
    assert result.exit_code == 0
    assert rows(result.output, "threads")[1] == ["0", str(tmp_path), "sealer", "broken"]
    assert "config.toml is broken: line 1: plan = 1: write text in quotes" in result.output


WORDS = sorted(
    {*Contents.model_fields, *STAGES, *(str(part) for name in OLDER for part in name.old)}
    | {"location", "name", "plan", "sealing", "locks", "bin", "addr", "rpc_client", "limitation", "concurrent", "x"}
)
scalars = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "/", ".", "~nobody/x", "\0", "/" + "a" * 300, "5min", "2KiB", "simulated", "**", "[", "snapup"]
    ),
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


def toml(value: object) -> str:
    """Write a value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"worker": {"name": []}, "temporal": {"task_queue": {}}})
@given(st.dictionaries(st.sampled_from(WORDS), trees, max_size=6))
def test_no_values_make_it_crash(tmp_path: Path, contents: dict[str, object]) -> None:
    """Whatever stands under the keys that there are, there is a verdict, the same for people and programs."""
    file = tmp_path / "any.toml"
    file.write_text("".join(f"{json.dumps(name)} = {toml(value)}\n" for name, value in contents.items()))
    found = values(file, "--strict")
    assert check(file, "--strict").exit_code == bool(found["errors"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(st.sampled_from("[]{}=\"'#\\.,\n ab1"), max_size=40).map(str.encode))
def test_no_text_makes_it_crash(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no text, and text that is no TOML."""
    file = tmp_path / "any.toml"
    file.write_bytes(data)
    check(file)


@pytest.mark.parametrize("kind", ["none", "folder"])
def test_a_file_that_is_none(tmp_path: Path, kind: str) -> None:
    """It is an error like others."""
    file = tmp_path if kind == "folder" else tmp_path / "none.toml"
    assert [error["remedy"].startswith("cannot be read: ") for error in values(file)["errors"]] == [True]
