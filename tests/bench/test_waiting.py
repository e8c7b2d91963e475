"""The measurement of waiting: that it runs, and that what is seen and computed is reckoned right."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.client import Client

from bench.waiting import AS_IT_IS, MAINNET, WAYS, Results, round_of, told
from bench.waits import PRECOMMIT, PROOF, SEED, Found, Question, Wait, lost, seen_of
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
async def test_both_ways_are_seen_side_by_side(temporal: Client, tmp_path: Path) -> None:
    """Each thread's sector is found with its three waits and the pause after it; nothing is negative."""
    results = await round_of(temporal, tmp_path / "round", EPOCH, 1, asyncio.Barrier(1))
    assert list(results.seen) == list(WAYS)
    for found in results.seen.values():
        assert found.pauses
        assert all(len(seconds) == len(found.pauses) for seconds in found.late.values())
        assert min(*found.pauses, *(min(seconds) for seconds in found.late.values())) >= 0
        assert found.asked >= 3 * len(found.pauses)
    assert "COMPUTED, not measured" in "\n".join(told(EPOCH, 1, results))


def test_what_is_seen_of_a_sector() -> None:
    """Questions in the epoch of the sending, and before a seed's known moment, are in vain; the first is never."""
    asked = {PRECOMMIT: (105.1, 111, 131), SEED: (131.1, 141.1, 150.1), PROOF: (151.1, 152, 161, 171)}
    questions = [Question(at, wait, 1) for wait, times in asked.items() for at in times]
    found = seen_of(WAITS, questions, CHAIN)
    assert found.late == {PRECOMMIT: [11], SEED: [0.5], PROOF: [12]}
    assert (found.asked, found.vain, found.most, found.epochs) == (10, 4, 2, 3 + 4 + 3)


def test_what_another_worker_loses_is_computed_from_the_same_moments() -> None:
    """It asks when it has sent a message and each interval after that: it is late by what is left of the last one."""
    found = lost(WAITS, 18, 3)
    assert found.late == {PRECOMMIT: [3], SEED: [], PROOF: [17]}
    assert found.pauses == [3]


def test_on_the_real_chain_the_first_way_says_nothing() -> None:
    """There it is the settings that everybody has; in a scale model they shrink with the epoch."""
    assert AS_IT_IS.table(MAINNET) == ""
    assert AS_IT_IS.table(MAINNET / 30) == (
        f'sealing.rpc_polling_interval = "{AS_IT_IS.polling * 1000 / 30:.0f}ms"\n'
        f'sealing.seal_interval = "{AS_IT_IS.rest * 1000 / 30:.0f}ms"\n'
    )


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, ""),
        ({"late": {PRECOMMIT: [33.0], SEED: [0.1], PROOF: [1.0]}}, "within an epoch and 2 s MISSED"),
        ({"most": 2}, "at most one question an epoch MISSED"),
        ({"vain": 1}, "none in vain MISSED"),
        ({"pauses": [1.0]}, "no pause MISSED"),
    ],
)
def test_a_goal_that_is_missed_is_said(changed: dict[str, object], missed: str) -> None:
    """Each goal by itself, judged by the worst that was seen."""
    late = {PRECOMMIT: [31.0], SEED: [0.1], PROOF: [1.0]}
    found = replace(Found(late=late, pauses=[0.1], asked=3, epochs=3, most=1), **changed)  # type: ignore[arg-type]
    results = Results(seen={AS_IT_IS: found}, computed=lost(WAITS, 180, 30))
    line = told(MAINNET, 1, results)[-1]
    assert line.count("MISSED") == (1 if missed else 0)
    assert missed in line
