"""What the checker finds in a site where something was lost or done twice, in a sector and in its upgrade."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.chaos.campaign import sealed
from tests.chaos.checker import check
from tests.chaos.histories import COMPLETED, RUNNING, Run, check_runs, joined, names, restored
from tests.chaos.programs import until
from tests.chaos.site import Site, site

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

HISTORIES = Path(__file__).parents[1] / "histories"
CALM_WITHIN = 120.0
"""Seconds in which a sector that nobody attacks is sealed, on a machine that does much else, or is upgraded."""
SECTOR = "s-t01000-1"


@pytest.fixture(scope="module")
async def ended(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Client]]:
    """Run a site that nobody attacks, to the end of a sector and its upgrade."""
    async with site(tmp_path_factory.mktemp("calm"), threads=2, sectors=1, upgrades=True) as built:
        client = await Client.connect(f"127.0.0.1:{built.temporal.port}", data_converter=pydantic_data_converter)
        await until(lambda: _has_ended(built, "SELECT ended FROM sectors"), "the sector to end", CALM_WITHIN)
        built.deal()
        await until(lambda: _has_ended(built, "SELECT ended FROM upgrades"), "the upgrade to end", CALM_WITHIN)
        await sealed(built, 1)
        assert await check(built, client) == []
        yield built, client


def _has_ended(built: Site, question: str) -> bool:
    return any(row["ended"] for row in built.ask(question))


async def test_a_sector_that_is_not_finished_is_found(ended: tuple[Site, Client]) -> None:
    """With where it stands."""
    with changed(
        ended[0],
        "UPDATE sectors SET state = 'PC2Done', ended = NULL",
        "UPDATE sectors SET state = 'Finished', ended = 'finalized'",
    ):
        assert await check(*ended) == [f"{SECTOR} is PC2Done, ended None, proof verified 1"]


async def test_an_upgrade_that_is_not_finished_is_found(ended: tuple[Site, Client]) -> None:
    """Or whose proof was not verified."""
    with changed(ended[0], "UPDATE upgrades SET proof_verified = 0", "UPDATE upgrades SET proof_verified = 1"):
        assert await check(*ended) == [f"the upgrade of {SECTOR} is finalized, proof verified 0"]


@pytest.mark.parametrize("kind", ["precommit", "snapup"])
async def test_a_second_message_is_found(ended: tuple[Site, Client], kind: str) -> None:
    """Also one that was replaced since."""
    again = (
        "INSERT INTO messages (sector, kind, content, sent_at, sent_epoch, packed_epoch, landed_epoch, replaced_at)"
        " VALUES (?, ?, '', 0, 0, 0, 0, 1)"
    )
    with changed(ended[0], again, "DELETE FROM messages WHERE sent_at = 0", SECTOR, kind):
        assert await check(*ended) == [f"{SECTOR} has sent ['precommit', 'proof', 'snapup', '{kind}, replaced']"]


@pytest.mark.parametrize(("inputs", "says"), [(None, "the same inputs"), ("f" * 64, "other inputs")])
@pytest.mark.parametrize("stage", ["pc1", "snap_prove"])
async def test_a_stage_that_was_computed_twice_is_found(
    ended: tuple[Site, Client], stage: str, inputs: str | None, says: str
) -> None:
    """It is begun again although it was completed, whatever its inputs are said to be."""
    entries = [{"what": what, "inputs": inputs, "at": 1.0} for what in ("begun", "completed")]
    with journaled(ended[0], stage, *entries) as job:
        assert await check(*ended) == [f"{job} was begun again after it was completed, for {says}, at 1.000"]


@pytest.mark.parametrize(("follows", "wrong"), [(False, 0), (True, 1)])
async def test_a_stage_whose_completion_was_not_noted(ended: tuple[Site, Client], *, follows: bool, wrong: int) -> None:
    """Killed between its output and the note it may begin again, unless another stage has begun from that output."""
    job = str(ended[0].locations[0] / "data" / "jobs" / SECTOR / "another")
    other: list[dict[str, Any]] = [{"what": "begun", "job": job}] * follows
    with journaled(ended[0], "c2", {"what": "broken"}, {"what": "made"}, *other, {"what": "begun"}):
        assert len(await check(*ended)) == wrong


async def test_a_stage_may_begin_again(ended: tuple[Site, Client]) -> None:
    """It was killed, its output was broken, or the machine was restarted and no other stage had followed."""
    lost: list[dict[str, Any]] = [{"what": "broken"}, *[{"what": what} for what in ("begun", "begun", "completed")]]
    with journaled(ended[0], "c2", *lost, {"what": "begun", "boot": "another"}, {"what": "completed"}):
        assert await check(*ended) == []


async def test_a_stage_may_not_begin_again_after_another_has_followed(ended: tuple[Site, Client]) -> None:
    """Not after a restart of the machine either: its output was taken before that."""
    with journaled(ended[0], "pc1", {"what": "begun", "boot": "another", "at": 1.0}) as job:
        assert await check(*ended) == [f"{job} was begun again after it was completed, for the same inputs, at 1.000"]


async def test_stages_that_the_journal_lacks_are_found(ended: tuple[Site, Client]) -> None:
    """Of each sector and each upgrade that has finished."""
    journal, before = ended[0].journal, ended[0].journal.read_text()
    journal.write_text("")
    nothing = await check(*ended)
    journal.write_text("".join(line for line in before.splitlines(keepends=True) if "/snap_encode" not in line))
    without = await check(*ended)
    journal.write_text(before)
    assert nothing == [
        "sealer-t01000-1 is finished without add_pieces, c1, c2, pc1, pc2, tree_d, verify_seal",
        "snapup-t01000-1 is finished without add_pieces, snap_encode, snap_prove, snap_vanilla, tree_d, verify_snap",
    ]
    assert without == ["snapup-t01000-1 is finished without snap_encode"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("threads/0/data/x", "is left behind"),
        ("threads/1/data/update/s-t01000-1", "is left behind"),
        ("store/sealed/.s-t01000-1.part", "does not belong there"),
    ],
)
async def test_a_file_that_is_left_behind_is_found(ended: tuple[Site, Client], name: str, says: str) -> None:
    """In a location and in a store."""
    path = ended[0].folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    found = await check(*ended)
    path.unlink()
    assert found == [f"{path} {says}"]


@pytest.mark.parametrize("folder", ["cache", "update-cache"])
async def test_a_file_that_is_missing_is_found(ended: tuple[Site, Client], folder: str) -> None:
    """A replica without one of its files cannot be proved."""
    path = ended[0].store / folder / SECTOR / "p_aux"
    away = path.rename(ended[0].folder / "p_aux")
    found = await check(*ended)
    away.rename(path)
    assert found == [f"{path} is missing"]


@pytest.mark.parametrize("how", ["by a job's mark", "by its folder", "by an open file"])
async def test_a_process_that_is_left_behind_is_found(ended: tuple[Site, Client], how: str) -> None:
    """Whether it bears a job's mark or only stands in a location, or has a file there open."""
    location = ended[0].locations[0]
    job = location / "data" / "jobs" / SECTOR / "pc1"
    marked, inside, opens = (how.endswith(last) for last in ("mark", "folder", "file"))
    file = location / "open"
    with file.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - it is started in no time
            [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"],
            env={"SEALFLOW_JOB": str(job)} if marked else {},
            cwd=location if inside else None,
            stdout=output if opens else None,
            start_new_session=True,
        )
    file.unlink()
    try:
        found = await check(*ended)
    finally:
        process.kill()
        process.wait()
    assert found == [f"process {process.pid} is left behind: {job if marked else 'of no job'}"]


TASKS = {"sealer-finished": "PC2", "snapup-finished": "SnapEncode"}


@pytest.mark.parametrize("task", TASKS)
def test_a_step_that_ended_twice_is_found(task: str) -> None:
    """As one that is missing: a task that was not taken back goes its way once, by what the server has recorded."""
    run = recorded(task)
    at = run.gone.index(TASKS[task])
    assert list(check_runs({task}, [run])) == []
    for wrong in (run.gone[: at + 1] + run.gone[at:], run.gone[:at] + run.gone[at + 1 :]):
        assert list(check_runs({task}, [replace(run, gone=wrong)])) == [
            f"{task} went another way than it must: {' '.join(wrong)}"
        ]


@pytest.mark.parametrize("task", TASKS)
def test_a_second_run_of_a_task_is_found(task: str) -> None:
    """And one that did not complete, with what it is at."""
    run = recorded(task)
    assert list(check_runs({task}, [run, replace(run, status="TERMINATED", stands="this")])) == [
        f"{task} is TERMINATED: this",
        f"{task} had 2 runs",
    ]


def test_a_task_that_only_one_side_knows_is_found() -> None:
    """The manager has given out a sector of which the server knows nothing, or the other way round."""
    run = recorded("sealer-finished")
    says = "the manager's sectors and the server's workflows differ in "
    assert list(check_runs({run.task, "sealer-t01000-2"}, [run])) == [f"{says}['sealer-t01000-2']"]
    assert list(check_runs(set(), [run])) == [f"{says}['{run.task}']"]


@pytest.mark.parametrize("name", ["sealer-expired-before-pc2", "sealer-parked-and-taken-back"])
def test_a_task_that_was_taken_back_may_take_another_way(name: str) -> None:
    """Its ticket has expired, or an operator has said so: the history tells it."""
    run = recorded(name)
    assert run.ways_back > 0
    assert list(check_runs({run.task}, [run])) == []


def test_files_of_an_upgrade_may_be_stored_again() -> None:
    """As often as the manager says that it misses them."""
    run = recorded("snapup-stored-again")
    assert list(check_runs({run.task}, [run])) == []


@pytest.mark.parametrize(("before", "after"), [(6, 6), (5, 6), (8, 6), (8, 9), (14, 13)])
def test_a_task_that_was_adopted_has_gone_its_way_in_two_databases(before: int, after: int) -> None:
    """What only asked the manager may be in both, a step on the machine of which only its file knows in neither."""
    run = recorded("sealer-finished")
    runs = joined([replace(run, gone=run.gone[:before], status=RUNNING)], [replace(run, gone=run.gone[after:])])
    assert list(check_runs({run.task}, runs)) == []


@pytest.mark.parametrize(("steps", "wrong"), [(15, 0), (14, 1)])
def test_a_task_that_is_in_the_lost_database_alone_had_all_its_steps(steps: int, wrong: int) -> None:
    """Then only its completion is not recorded; any other is told."""
    run = recorded("sealer-finished")
    runs = joined([replace(run, gone=run.gone[:steps], status=RUNNING)], [])
    assert len(list(check_runs({run.task}, runs))) == wrong


@pytest.mark.parametrize(("before", "after"), [(6, 5), (6, 7), (6, 8), (9, 6)])
def test_a_step_that_an_adopted_task_repeats_or_leaves_out_is_found(before: int, after: int) -> None:
    """On the machine a step is not repeated; and of those that only ask the manager none is left out."""
    run = recorded("sealer-finished")
    runs = joined([replace(run, gone=run.gone[:before], status=RUNNING)], [replace(run, gone=run.gone[after:])])
    (line,) = check_runs({run.task}, runs)
    assert f"{run.task} went another way than it must" in line


@pytest.mark.parametrize(
    ("since", "again", "wrong"),
    [
        ("running", COMPLETED, 0),  # it went on by itself
        ("running", "FAILED", 1),
        ("finished", "FAILED", 0),  # it was told that it had ended
        ("finished", RUNNING, 1),
        ("about to finish", "FAILED", 0),
        ("about to finish", RUNNING, 1),
    ],
)
def test_a_task_that_an_old_backup_has_goes_on_or_ends(since: str, again: str, wrong: int) -> None:
    """One that had ended since must see that, and one that had not must come to its end, by the run that it has."""
    run = replace(recorded("sealer-finished"), run_id="a")
    gone = run.gone[:6] if since == "running" else run.gone
    before = replace(run, gone=gone, status=COMPLETED if since == "finished" else RUNNING)
    after = replace(run, status=again, gone=run.gone if again == COMPLETED else run.gone[:5])
    assert len(list(check_runs({run.task}, restored([before], [after])))) == wrong


def test_a_task_that_replaced_its_run_out_of_an_old_backup_goes_on_from_what_was_lost() -> None:
    """So does one that began after the backup, and one that is adopted twice."""
    run = recorded("sealer-finished")
    known = replace(run, gone=run.gone[:6], status=RUNNING, run_id="a")
    stopped = replace(known, gone=run.gone[:3], status="TERMINATED")
    adopted = replace(run, gone=run.gone[6:8], status=RUNNING, run_id="b")
    for later in ([stopped, adopted], [adopted]):
        runs = joined(restored([known], later), [replace(run, gone=run.gone[8:], run_id="c")])
        assert list(check_runs({run.task}, runs)) == []


def recorded(name: str) -> Run:
    """Return the run of a task that is named as the stored history that it has."""
    events = json.loads((HISTORIES / f"{name}.json").read_text())["events"]
    return Run(name, COMPLETED, tuple(names(events)))


@contextmanager
def journaled(built: Site, stage: str, *entries: dict[str, Any]) -> Iterator[str]:
    """Add entries to the journal for the time of the block, as the last one of a stage but for what they say."""
    before = built.journal.read_text()
    last = next(
        entry for line in reversed(before.splitlines()) if (entry := json.loads(line))["job"].endswith(f"/{stage}")
    )
    with built.journal.open("a") as journal:
        for entry in entries:
            given = {key: value for key, value in entry.items() if value is not None}
            journal.write(json.dumps({**last, **given}) + "\n")
    yield last["job"]
    built.journal.write_text(before)


@contextmanager
def changed(built: Site, by: str, back: str, *given: str) -> Iterator[None]:
    """Change the manager's database for the time of the block."""
    _execute(built, by, *given)
    try:
        yield
    finally:
        _execute(built, back)


def _execute(built: Site, statement: str, *given: str) -> None:
    with closing(sqlite3.connect(built.folder / "devnet" / "devnet.sqlite", timeout=10)) as link, link:
        link.execute(statement, given)
