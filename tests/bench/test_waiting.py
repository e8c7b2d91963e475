"""The measurement of waiting: that it runs, and that what is seen and computed is reckoned right."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory

import bench.waiting
from bench.waiting import MAINNET, Results, round_of, settings, told
from bench.waits import PRECOMMIT, PROOF, SEED, Found, Question, Wait, lost, seen_of, waited
from sealing.config.threads import Sealing
from sealing.devnet.chain import Chain
from sealing.devnet.config import DevnetConfig

EPOCH = 0.2
CHAIN = Chain(DevnetConfig(data=Path("/nowhere"), epoch_seconds=10), genesis=0, secret=b"", clock=lambda: 0)
WAITS = [
    Wait(PRECOMMIT, since=105, over=120, started=131),
    Wait(SEED, since=120, over=150, started=150.5),
    Wait(PROOF, since=151, over=170, started=182),
]


@pytest.mark.server
@pytest.mark.parametrize("hold", [False, True], ids=["not held", "held"])
async def test_what_is_seen_is_whole(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hold: bool
) -> None:
    """A thread's first sector and the later ones are found, with their three waits and a pause; none is negative."""
    monkeypatch.setattr(bench.waiting, "THREADS", 1)
    results = Results(asyncio.Barrier(1), hold=hold)
    await round_of(temporal, tmp_path / "round", EPOCH, 1, results)
    assert len(results.first.pauses) == 1
    assert results.later.pauses
    for found in (results.first, results.later):
        assert all(len(seconds) == len(found.pauses) for seconds in found.late.values())
        assert min(*found.pauses, *(min(seconds) for seconds in found.late.values())) >= 0
        assert found.asked >= 3 * len(found.pauses)
    assert "COMPUTED, not measured" in "\n".join(told(EPOCH, 1, results))


def test_what_is_seen_of_a_sector() -> None:
    """Too soon is more than an epoch before a message lands, and before a seed's known moment; the first is never."""
    asked = {PRECOMMIT: (105.1, 111, 131), SEED: (131.1, 141.1, 150.1), PROOF: (151.1, 152, 161, 171)}
    questions = [Question(at, wait, 1) for wait, times in asked.items() for at in times]
    found = seen_of(WAITS, questions, CHAIN)
    assert found.late == {PRECOMMIT: [11], SEED: [0.5], PROOF: [12]}
    assert (found.asked, found.most, found.epochs) == (10, 2, 3 + 4 + 3)
    assert found.vain == {PRECOMMIT: 1, SEED: 1, PROOF: 2}


def _activity(number: int, name: str, *, began: int, started: int, attempt: int) -> list[HistoryEvent]:
    scheduled, begun = HistoryEvent(event_id=number), HistoryEvent(event_id=number + 1)
    scheduled.event_time.FromSeconds(began)
    begun.event_time.FromSeconds(started)
    scheduled.activity_task_scheduled_event_attributes.activity_type.name = name
    given = begun.activity_task_started_event_attributes
    given.scheduled_event_id, given.attempt = number, attempt
    return [scheduled, begun]


def test_the_time_until_the_chain_is_looked_at_again_is_waited() -> None:
    """That of steps that look at the chain, where they had to look again, until a moment; no other step waits so."""
    events = [
        *_activity(1, "check_precommit", began=100, started=103, attempt=2),
        *_activity(3, "persist", began=104, started=109, attempt=2),
        *_activity(5, "wait_seed", began=110, started=111, attempt=1),
        *_activity(7, "check_proof", began=112, started=150, attempt=3),
    ]
    history = WorkflowHistory("sealer-t01000-1", events)
    found = waited(history, datetime.fromtimestamp(120, UTC))
    assert found == {"check_precommit": 3, "wait_seed": 0, "check_proof": 0}


def test_what_another_worker_loses_is_computed_from_the_same_moments() -> None:
    """It asks when it has sent a message and each interval after that: it is late by what is left of the last one."""
    found = lost(WAITS, 18, 3)
    assert found.late == {PRECOMMIT: [3], SEED: [], PROOF: [17]}
    assert found.pauses == [3]


def test_on_the_real_chain_the_file_says_nothing_of_intervals() -> None:
    """There they are those that everybody has; in a scale model they shrink with the epoch."""
    assert settings(MAINNET) == ""
    polling = Sealing().rpc_polling_interval.total_seconds() * 1000 / 30
    assert f'rpc_polling_interval = "{polling:.0f}ms"' in settings(MAINNET / 30)


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, ""),
        ({"most": 2, "vain": Counter([PROOF])}, ""),
        ({"late": {PRECOMMIT: [0.1], SEED: [0.1], PROOF: [1.1]}}, "messages within 1 s MISSED"),
        ({"asked": 4}, "one question an epoch MISSED"),
        ({"vain": Counter([SEED])}, "none in vain MISSED"),
        ({"pauses": [1.0]}, "no pause MISSED"),
    ],
)
def test_where_questions_are_held_the_goals_are_others(changed: dict[str, object], missed: str) -> None:
    """It is heard at once, and none about a message is in vain; two in one epoch are none too many."""
    late = {PRECOMMIT: [0.9], SEED: [1.5], PROOF: [1.0]}
    found = replace(Found(late=late, pauses=[0.1], asked=3, epochs=3, most=1), **changed)  # type: ignore[arg-type]
    *_, line = told(MAINNET, 1, Results(asyncio.Barrier(1), found, found, lost(WAITS, 180, 30), hold=True))
    assert line.count("MISSED") == (1 if missed else 0)
    assert missed in line


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, ""),
        ({"late": {PRECOMMIT: [33.0], SEED: [0.1], PROOF: [1.0]}}, "within an epoch and 2 s MISSED"),
        ({"most": 2}, "at most one question an epoch MISSED"),
        ({"vain": Counter([SEED])}, "none in vain MISSED"),
        ({"pauses": [1.0]}, "no pause MISSED"),
    ],
)
def test_a_goal_that_is_missed_is_said(changed: dict[str, object], missed: str) -> None:
    """Each goal by itself, judged by the worst that was seen."""
    late = {PRECOMMIT: [31.0], SEED: [0.1], PROOF: [1.0]}
    found = replace(Found(late=late, pauses=[0.1], asked=3, epochs=3, most=1), **changed)  # type: ignore[arg-type]
    *_, line = told(MAINNET, 1, Results(asyncio.Barrier(1), found, found, lost(WAITS, 180, 30)))
    assert line.count("MISSED") == (1 if missed else 0)
    assert missed in line


def test_a_worker_has_one_question_in_vain_by_which_it_learns() -> None:
    """It is not known before whether the manager holds any: so many as there are workers count for none, no more."""
    late = {PRECOMMIT: [0.9], SEED: [1.0], PROOF: [1.0]}
    for vain, kept in ((2, "2 in vain kept"), (3, "2 in vain MISSED")):
        found = Found(late=late, pauses=[0.1], asked=3, epochs=3, most=1, vain=Counter({PRECOMMIT: vain}))
        lines = list(told(MAINNET, 2, Results(asyncio.Barrier(1), found, found, lost(WAITS, 180, 30))))
        first, later = (line for line in lines if "goals" in line)
        assert kept in first
        assert "none in vain MISSED" in later
