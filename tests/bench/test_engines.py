"""The comparison of engines runs, and is fair where fairness can be seen: everybody makes every step once, durably."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bench.engines.contestants import CONTESTANTS, LEAST, OURS, Contestant
from bench.engines.measure import Plan, Round, measured, ours_taken
from bench.engines.report import told
from bench.engines.servers import Servers, settings_of
from bench.engines.work import HELD_FROM, Work
from bench.trips import Trips
from deploy.stack.stack import Stack

SMALL = Plan(single=1, many=2, at_once=2, warm=1)
BY_NAME = {each.name: each for each in CONTESTANTS}


@pytest.fixture
def servers(stack: Stack) -> Servers:
    """Return the production server's two parts, which waits for no killed worker for long."""
    settings = {**settings_of(stack.postgres, stack.temporal), "patience": 1.0}
    return Servers({"postgres": stack.postgres, "temporal": stack.temporal}, settings)


@pytest.mark.server
async def test_ours_tells_the_work_and_goes_on_after_a_kill(servers: Servers, tmp_path: Path) -> None:
    """One sector's steps and reports are the chain for all; ours is measured, killed in PC1, and goes on to PC2."""
    trips, work = await ours_taken(servers, tmp_path)
    assert len(work.results) == trips.calls
    assert all(work.results)
    taken = await measured(BY_NAME[OURS], servers, work, SMALL)
    assert taken.cpu.keys() == {"process", "postgres", "temporal"}
    assert taken.recovery is not None
    assert taken.recovery > 0


def test_the_report_has_ratios_and_the_goal() -> None:
    """Ours is set against each other one round by round, and the goal and its bound against the faster way of DBOS."""
    rounds = {
        OURS: [_round(4), _round(9)],
        LEAST: [_round(10), _round(18)],
        "dbos-async": [_round(2), _round(3)],
        "dbos-sync": [_round(5), _round(12)],
    }
    trips = Trips(tasks=2, activities=1, local=1, events=9, bytes=99, where="f")
    lines = [*told(trips, SMALL, [BY_NAME[name] for name in rounds], rounds)]
    assert "  2 at once: ours / dbos-async: 2.50 (2.00 to 3.00)" in lines
    assert "goal, more than the faster DBOS, which is dbos-sync, 2 at once: 0.78, not met" in lines
    bound = "its bound, the engine with our activities alone, against that one's whole chain: 1.75 (1.50 to 2.00)"
    assert bound in lines


def _round(rate: float) -> Round:
    return Round(single=rate, step=1, many=rate, cpu={"process": 1}, recovery=1)


async def test_the_script_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """Every chain has all of its steps in their order, and the killed one those that it had come to."""
    work = Work([f'"{number}"' for number in range(5)], tmp_path)
    await measured(BY_NAME["sqlite"], Servers({}, {}), work, SMALL)
    db = sqlite3.connect(tmp_path / "script.db")
    rows = db.execute("SELECT chain, group_concat(result, '') FROM (SELECT * FROM steps ORDER BY 1, 2) GROUP BY 1")
    *whole, (killed, begun) = rows.fetchall()
    db.close()
    assert [results for _, results in whole] == ["".join(work.results)] * (SMALL.warm + SMALL.single + SMALL.many)
    assert killed >= HELD_FROM
    assert "".join(work.results).startswith(begun)
    assert begun.count('"') // 2 >= work.middle


OTHERS = [each for each in CONTESTANTS if each.installed and each.name != OURS and "restate" not in each.servers]


@pytest.mark.server
@pytest.mark.parametrize("contestant", OTHERS, ids=lambda each: each.name)
async def test_others_go_on_after_a_kill(contestant: Contestant, servers: Servers, tmp_path: Path) -> None:
    """Each that is installed is measured beside ours and takes up what was killed, but for the bound."""
    taken = await measured(contestant, servers, Work(["1", "2", "3", "4"], tmp_path), SMALL)
    assert taken.cpu.keys() == {"process", *contestant.servers}
    assert (taken.recovery or 0) > 0 or contestant.least
