"""At which points a program is to die next, and a clock that is wrong."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.chaos.attack import TRIES, Attack
from tests.chaos.mortal import SEEN
from tests.chaos.programs import Program, ahead_by, build_clock
from tests.chaos.site import Site
from tests.needs import need


@pytest.fixture
def attack(tmp_path: Path) -> Attack:
    """Return an attack upon a site whose programs have come to three points."""
    names = {"worker": ["first", "second"], "manager": ["third"]}
    programs = {}
    for name, points in names.items():
        orders = tmp_path / f"{name}.json"
        orders.with_name(orders.name + SEEN).write_text("".join(f"{point}\n" for point in points))
        programs[name] = Program(name, [], "", tmp_path / "log", orders)
    return Attack(cast("Site", SimpleNamespace(**programs)), random.Random(1))  # noqa: S311 - a test repeats it


def test_each_point_is_died_at_before_one_is_again(attack: Attack) -> None:
    """Of both programs, and then they begin anew."""
    died = set()
    for _ in range(3):
        assert attack.worth_a_try()
        program, points = attack.next_points()
        attack.note_death(program, points, points[0])
        died.add((program.name, points[0]))
    assert died == {("worker", "first"), ("worker", "second"), ("manager", "third")} == set(attack.points())
    assert (attack.left(), attack.worth_a_try()) == ([], [])
    assert attack.next_points()[1]


def test_a_point_that_is_never_come_to_is_left(attack: Attack) -> None:
    """It is tried some times and no more, and the report names it."""
    for _ in range(2 + TRIES):
        program, points = attack.next_points()
        attack.note_death(program, points, None if program is attack.site.manager else points[0])
    assert attack.worth_a_try() == []
    assert attack.left() == [("manager", "third")]


@pytest.mark.parametrize("ahead", [-600, 600])
def test_all_that_tells_the_time_is_wrong(tmp_path: Path, ahead: int) -> None:
    """Python's clocks, and those of other programs; what only measures how long something takes is right."""
    need("cc", "a C compiler, such as Debian's package gcc")
    build_clock(tmp_path)
    env = {**os.environ, **ahead_by(ahead, tmp_path)}
    code = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())"
    asked = [subprocess.check_output(argv, env=env) for argv in ([sys.executable, "-c", code], ["date", "+%s"])]
    told = [float(each) for each in b" ".join(asked).split()]
    right = [time.time() + ahead, time.time() + ahead, time.monotonic(), time.time() + ahead]
    assert all(abs(one - other) < 60 for one, other in zip(told, right, strict=True))
