"""The simulated fleet: what follows from published times must come out, whoever goes first."""

from __future__ import annotations

import pytest

from bench.fleet.model import HOUR, STEPS, alike, shared
from bench.fleet.rules import OneByOne
from bench.fleet.simulation import FIRST_COME, OURS, WAYS, Plan, Way, simulate
from sealing.flow.sealer import SEALER
from sealing.processors.processor import Processor
from sealing.processors.turns import Ask, Limits
from tests.processors.admitting import key


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_thread_alone_takes_what_its_steps_take(way: Way) -> None:
    """With nothing to wait for but the chain, one sector takes the sum of its steps, give or take the polls."""
    found = simulate(Plan(alike(1), way, 1, days=30.0), 0)
    assert 0.93 < found.share < 1.03
    assert found.expired == 0


def test_enough_threads_bring_a_machine_to_its_bottleneck() -> None:
    """Ten slots of PC1 are the bound, and twice as many threads reach 97 % of it."""
    machine = alike(20)
    each, resource = machine.bound()
    assert (round(each, 3), resource) == (round(10 * 24 / 4.25, 3), "slots of pc1")
    assert simulate(Plan(machine, OURS, 1), 0).share > 0.97


def test_with_few_threads_who_is_furthest_on_should_go_first() -> None:
    """First come, first served keeps a sector's thread while another one's PC2 is let in before its C2."""
    plans = (Plan(alike(14), way, 4) for way in (OURS, FIRST_COME))
    ours, first_come = (simulate(plan, 0).share for plan in plans)
    assert ours > first_come + 0.005


def test_machines_that_compute_for_others_are_a_bound() -> None:
    """One for three gives a sector to nobody faster than it makes C2s."""
    each, resource = shared(24).bound(3)
    assert (round(each, 3), resource) == (round(24 * HOUR / (9 * 60) / 3, 3), "who computes for all")
    assert simulate(Plan(shared(24), OURS, 3, days=3.0), 0).share > 0.95


def test_the_steps_are_the_flows() -> None:
    """The simulated sector goes through the product's own table."""
    assert [step.stage for step in STEPS] == [
        SEALER.rows[state].activity for state in SEALER.rows if SEALER.rows[state].activity in {s.stage for s in STEPS}
    ]


def test_one_by_one_a_thread_keeps_what_it_has() -> None:
    """It holds the first lock while it waits for the second, which ours never does."""
    rule = OneByOne(Limits(locks={"a": 1, "b": 1}))
    both, only = (Processor("p", ("true",), locks=locks) for locks in (("a", "b"), ("a",)))
    rule.ask(Ask("c2", key(1), (Processor("q", ("true",), locks=("b",)),)), 0.0)
    assert [waiter.ask.key for waiter, _ in rule.grant(0.0)] == [key(1)]
    rule.ask(Ask("pc2", key(2), (both,)), 0.0)
    assert not list(rule.grant(0.0))
    rule.ask(Ask("pc2", key(3), (only,)), 0.0)
    assert not list(rule.grant(0.0))
    rule.free(key(1))
    assert [waiter.ask.key for waiter, _ in rule.grant(0.0)] == [key(2)]
    rule.free(key(2))
    assert [waiter.ask.key for waiter, _ in rule.grant(0.0)] == [key(3)]
