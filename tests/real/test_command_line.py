"""The crate's program as others call it: exit statuses, errors in words, and the line protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.crate import Crate
from tests.real.sector import DATA, PLAIN, Sector, client_data

pytestmark = pytest.mark.real


@pytest.fixture
def sector(crate: Crate, tmp_path: Path) -> Sector:
    """Give a sector with two pieces of data, of which nothing is made yet."""
    return Sector(crate, tmp_path, data=client_data())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["pc9", "--task", "a", "--output", "b"],
        ["pc1"],
        ["pc1", "--task", "a"],
        ["pc1", "--task", "a", "--output", "b", "--stream"],
        ["pc1", "--nonsense"],
        ["params", "--sector-size", "3KiB"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(crate: Crate, arguments: list[str]) -> None:
    """Standard error says what is wrong; standard output, the protocol's, stays empty."""
    ended = crate.run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--help" in ended.stderr or "Usage:" in ended.stderr


@pytest.mark.parametrize(
    ("stage", "missing", "task"),
    [
        ("tree_d", "unsealed", {"staged_file": "unsealed", "cache_dir": "cache"}),
        ("pc2", "pc1.output.json", {"pc1out": {"$file": "pc1.output.json"}, "cache_dir": "c", "sealed_file": "s"}),
        ("c2", "c1.output.json", {"c1out": {"$file": "c1.output.json"}, "prover_id": [0] * 32, "sector_id": 5}),
    ],
)
def test_a_missing_file_is_named(sector: Sector, stage: str, missing: str, task: dict[str, object]) -> None:
    """Exit status 1, and an err_msg that names the file as well as the reason."""
    named = {name: _in(sector, value) for name, value in task.items()}
    error = sector.crate.job(sector.folder, stage, {"registered_proof": PLAIN, **named}).error
    assert sector.path(missing) in error
    assert "No such file or directory" in error


def test_a_task_that_is_not_there_is_named(crate: Crate, tmp_path: Path) -> None:
    """So is a task file: the answer is where it is looked for."""
    ended = crate.run("pc1", "--task", tmp_path / "no.json", "--output", tmp_path / "output.json")
    assert ended.returncode == 1
    assert "no.json" in (tmp_path / "output.json").read_text()


@pytest.mark.parametrize("arguments", [["piece_commitment", "--stream"], ["processor", "piece_commitment"]])
def test_a_stream_answers_tasks_until_its_input_ends(sector: Sector, arguments: list[str]) -> None:
    """First that it is ready, then an answer to each task, by number and in any order, and nothing else at all."""
    whole, half = sector.pieces[1], {**sector.pieces[1], "payload_size": 500}
    gone = {**whole, "piece_file": {"local": sector.path("gone")}}
    with sector.crate.stream(*arguments) as stream:
        assert stream.line() == "piece_commitment processor ready"
        for number, piece in ((9, whole), (3, gone), (7, half), (1, whole)):
            stream.give(number, {"seal_proof_type": PLAIN, **piece})
        answers = stream.answers(4)
        assert sorted(answers) == [1, 3, 7, 9]
        assert "No such file or directory" in answers[3]["err_msg"]
        assert answers[3]["output"] is None
        assert [answers[number]["err_msg"] for number in (1, 7, 9)] == [None] * 3
        assert answers[1]["output"] == answers[9]["output"]
        assert answers[1]["output"] != answers[7]["output"]
        assert stream.end() == ""


def test_a_stream_survives_lines_that_are_no_tasks(sector: Sector) -> None:
    """A line without a number gets no answer, a task without its fields gets an error, and the next one is done."""
    with sector.crate.stream("piece_commitment", "--stream") as stream:
        stream.line()
        for line in ("", "not JSON", "[]", '{"task": {}}', '{"id": "one", "task": {}}', "ü" * 10_000):
            stream.say(line)
        stream.give(1, {"seal_proof_type": PLAIN})
        assert "missing field" in stream.answers(1)[1]["err_msg"]
        stream.give(2, {"seal_proof_type": PLAIN, **sector.pieces[1]})
        assert stream.answers(1)[2]["output"]["size"] == DATA // 2
        assert stream.end() == ""


def test_a_stream_seals_as_jobs_do(crate: Crate, sector: Sector, tmp_path: Path) -> None:
    """PC2 over the line protocol gives the replica that the same sector has from a job."""
    assert sector.labels
    with crate.stream("processor", "pc2") as stream:
        assert stream.line() == "pc2 processor ready"
        task = {"pc1out": sector.labels, "cache_dir": sector.path("cache"), "sealed_file": sector.path("sealed")}
        stream.give(1, task)
        answer = stream.answers(1)[1]
    (tmp_path / "twin").mkdir()
    twin = Sector(crate, tmp_path / "twin", data=client_data())
    assert answer == {"id": 1, "err_msg": None, "output": twin.sealed}


def _in(sector: Sector, value: object) -> object:
    """Return a task's value with its file names made paths of the sector."""
    if isinstance(value, dict):
        return {name: _in(sector, inner) for name, inner in value.items()}
    return sector.path(value) if isinstance(value, str) else value
