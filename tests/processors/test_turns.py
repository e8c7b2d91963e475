"""The rules of admission: who goes first, what a job needs all of, and what it is told that it waits for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sealing.processors.processor import Processor
from sealing.processors.turns import PATIENCE, URGENT, Lack, Limits, Turns, Waiter
from tests.processors.admitting import PLAIN, ask, key


def processor(name: str, *locks: str, concurrent: int | None = None) -> Processor:
    """Return a processor that holds locks, and takes so many tasks at a time."""
    return Processor(name, ("true",), locks=locks, concurrent=concurrent)


GPU = (processor("gpu", "gpu"),)


class Machine:
    """A machine's turns with a clock, by the numbers of sectors."""

    def __init__(self, limits: Limits) -> None:
        """Start at noon."""
        self.turns = Turns(limits)
        self.now = 43_200.0
        self.waiters: dict[tuple[int, str], Waiter] = {}

    def come(
        self,
        number: int,
        stage: str = "pc1",
        processors: Sequence[Processor] = (PLAIN,),
        *,
        due: float | None = None,
        progress: int = 0,
    ) -> None:
        """Let a sector's job ask."""
        wanted = ask(stage, key(number, stage), processors, due=due, progress=progress)
        self.waiters[number, stage] = self.turns.ask(wanted, self.now)

    def let_in(self) -> list[int]:
        """Return the sectors whose jobs are let in now, in order."""
        return [int(waiter.ask.key.parent.name.rpartition("-")[2]) for waiter, _ in self.turns.grant(self.now)]

    def end(self, number: int, stage: str = "pc1") -> None:
        """Let a job end."""
        self.turns.free(key(number, stage))

    def why(self, number: int, stage: str = "pc1") -> tuple[Lack, str]:
        """Return what a job waits for."""
        reason = self.waiters[number, stage].why
        assert reason is not None
        return reason.lack, reason.text


def test_who_is_furthest_on_goes_first() -> None:
    """That ends a sector and frees its thread; of equals who came first. A ticket that ends late is no matter."""
    machine = Machine(Limits(locks={"gpu": 1}))
    machine.come(0, "pc2", GPU)
    assert machine.let_in() == [0]
    machine.come(1, "pc2", GPU, due=machine.now + URGENT + 2, progress=6)
    machine.come(2, "pc2", GPU, due=machine.now + URGENT + 1, progress=6)
    machine.come(3, "c2", GPU, progress=14)
    order = []
    for before in ((0, "pc2"), (3, "c2"), (1, "pc2")):
        machine.end(*before)
        order += machine.let_in()
    assert order == [3, 1, 2]


def test_whose_ticket_is_about_to_end_goes_before_all() -> None:
    """Of these the first end counts; of equals who is furthest on, then who came first."""
    machine = Machine(Limits({"pc1": 1}))
    machine.come(0)
    assert machine.let_in() == [0]
    machine.come(1, due=machine.now + 500)
    machine.come(2, due=machine.now + 100)
    machine.come(3, due=machine.now + 500, progress=7)
    machine.come(4, due=machine.now + 500)
    machine.come(5, progress=9)
    order = []
    for before in (0, 2, 3, 1, 4):
        machine.end(before)
        order += machine.let_in()
    assert order == [2, 3, 1, 4, 5]


def test_an_end_that_comes_near_counts_while_one_waits() -> None:
    """It is not what it was when the job came."""
    machine = Machine(Limits({"pc1": 1}))
    machine.come(0)
    assert machine.let_in() == [0]
    machine.come(1, progress=9)
    machine.come(2, due=machine.now + 2 * URGENT)
    machine.now += URGENT + 1
    machine.end(0)
    assert machine.let_in() == [2]


def test_without_an_end_of_its_own_it_is_due_a_day_after_it_came() -> None:
    """What has no ticket goes behind those that are further on, but not for ever."""
    machine = Machine(Limits({"pc1": 1}))
    machine.come(0)
    assert machine.let_in() == [0]
    machine.come(1)
    came, machine.now = machine.now, machine.now + PATIENCE - URGENT + 1
    machine.come(2, due=came + PATIENCE - 1)
    machine.come(3, due=came + PATIENCE + 2)
    machine.come(4, progress=9)
    order = []
    for before in (0, 2, 1, 4):
        machine.end(before)
        order += machine.let_in()
    assert order == [2, 1, 4, 3]


def test_a_full_stage_says_so_and_holds_up_no_other() -> None:
    """Who waits for a slot is told how many are in use; other stages go on."""
    machine = Machine(Limits({"pc1": 2}))
    for number in range(3):
        machine.come(number)
    machine.come(9, "pc2")
    assert machine.let_in() == [0, 1, 9]
    assert machine.why(2) == (Lack.slot, "a slot of pc1: 2 of 2 in use")


def test_a_lock_is_shared_by_stages() -> None:
    """PC2 and C2 that name one lock never run together, and who waits is told who holds it."""
    machine = Machine(Limits(locks={"gpu": 1}))
    machine.come(1, "pc2", GPU)
    machine.come(2, "c2", GPU)
    assert machine.let_in() == [1]
    assert machine.why(2, "c2") == (Lack.lock, "lock gpu: held by s-t01000-1 pc2")
    machine.end(1, "pc2")
    assert machine.let_in() == [2]


def test_a_lock_may_have_several_holders() -> None:
    """A lock of two lets two in; one of which the configuration does not say how many lets all in."""
    machine = Machine(Limits(locks={"gpu": 2}))
    for number in range(3):
        machine.come(number, "c2", GPU)
    for number in (5, 6):
        machine.come(number, "pc2", (processor("other", "unknown"),))
    assert machine.let_in() == [0, 1, 5, 6]


def test_several_locks_are_taken_at_once_or_not_at_all() -> None:
    """Two stages that name the same locks in another order cannot wait for each other."""
    machine = Machine(Limits(locks={"a": 1, "b": 1}))
    machine.come(1, "pc2", (processor("x", "a", "b"),))
    machine.come(2, "c2", (processor("y", "b", "a"),))
    assert machine.let_in() == [1]
    machine.end(1, "pc2")
    assert machine.let_in() == [2]


def test_who_needs_two_locks_is_not_passed_by_for_ever() -> None:
    """While it waits for one lock it keeps the other from those behind it, who are told so."""
    machine = Machine(Limits(locks={"a": 1, "b": 1}))
    machine.come(1, "pc1", (processor("x", "a"),))
    assert machine.let_in() == [1]
    machine.come(2, "pc2", (processor("both", "a", "b"),))
    machine.come(3, "c2", (processor("z", "b"),))
    assert machine.let_in() == []
    assert machine.why(3, "c2") == (Lack.lock, "its locks, which are kept for one before it: b")
    machine.end(1)
    assert machine.let_in() == [2]
    machine.end(2, "pc2")
    assert machine.let_in() == [3]


def test_starts_are_staggered() -> None:
    """Two starts of a stage lie so far apart; the time of the next is known, and told."""
    machine = Machine(Limits(staggered={"pc1": 60}))
    machine.come(1)
    machine.come(2)
    assert machine.let_in() == [1]
    assert machine.turns.look_again(machine.now) == machine.now + 60
    machine.now += 20
    assert machine.let_in() == []
    assert machine.why(2) == (Lack.start, "its start: pc1 is staggered, the next in 40 s")
    machine.now += 40
    assert machine.let_in() == [2]
    assert machine.turns.look_again(machine.now) is None


def test_jobs_that_run_already_count_for_the_stagger() -> None:
    """After a worker's restart the last start is known from the jobs that run on."""
    machine = Machine(Limits(staggered={"pc1": 60}))
    machine.turns.occupy("pc1", key(1), PLAIN, machine.now - 10)
    machine.come(2)
    assert machine.let_in() == []
    assert machine.turns.look_again(machine.now) == machine.now + 50


def test_the_least_busy_processor_is_taken() -> None:
    """Of several processors each takes no more than its own limit, and the work is spread."""
    machine = Machine(Limits())
    both = (processor("one", concurrent=1), processor("two", concurrent=2))
    for number in range(4):
        machine.come(number, processors=both)
    given = [found.name for _, found in machine.turns.grant(machine.now)]
    assert given == ["one", "two", "two"]
    assert machine.why(3) == (Lack.processor, "a processor of pc1: all are busy")
    machine.end(0)
    assert [found.name for _, found in machine.turns.grant(machine.now)] == ["one"]


def test_a_processor_whose_lock_is_free_is_taken() -> None:
    """Two GPUs are two locks: a job goes where one is free."""
    machine = Machine(Limits(locks={"gpu0": 1, "gpu1": 1}))
    both = (processor("c2[0]", "gpu0"), processor("c2[1]", "gpu1"))
    machine.come(1, "pc2", (processor("pc2", "gpu0"),))
    machine.come(2, "c2", both)
    machine.come(3, "c2", both)
    assert [found.name for _, found in machine.turns.grant(machine.now)] == ["pc2", "c2[1]"]
    assert machine.why(3, "c2") == (Lack.lock, "lock gpu0: held by s-t01000-1 pc2")


def test_a_job_that_runs_needs_nothing_more() -> None:
    """The next attempt at a running job has its slot, its locks and its processor."""
    machine = Machine(Limits({"pc2": 1}, {"pc2": 3600}, {"gpu": 1}))
    machine.turns.occupy("pc2", key(1, "pc2"), GPU[0], machine.now)
    machine.come(1, "pc2", (processor("another"),))
    assert [found.name for _, found in machine.turns.grant(machine.now)] == ["gpu"]
    assert machine.turns.used("pc2") == 1


def test_one_that_was_given_back_does_not_begin_to_wait_anew() -> None:
    """A job that another machine gave back is as old as its step, so that it comes to its turn in the end."""
    machine = Machine(Limits({"c2": 1}))
    machine.come(0, "c2")
    assert machine.let_in() == [0]
    machine.turns.ask(ask("c2", key(1, "c2"), due=machine.now + 60), machine.now)
    machine.turns.ask(ask("c2", key(2, "c2"), came=machine.now - PATIENCE), machine.now)
    machine.end(0, "c2")
    assert machine.let_in() == [2]


def test_of_equals_who_was_wanted_first_goes_first_however_often_it_asks() -> None:
    """A job of a shared queue asks anew on one machine after the other, and a worker's all do when it comes back."""
    machine = Machine(Limits({"c2": 1}))
    machine.come(0, "c2")
    assert machine.let_in() == [0]
    wanted = [ask("c2", key(number, "c2"), came=machine.now + number) for number in (1, 2, 3)]
    first, *_ = [machine.turns.ask(each, machine.now + 10) for each in wanted]
    machine.turns.give_up(first)
    machine.turns.ask(wanted[0], machine.now + 30)
    machine.now += 60
    order = []
    for before in (0, 1, 2):
        machine.end(before, "c2")
        order += machine.let_in()
    assert order == [1, 2, 3]


@pytest.mark.parametrize("due", [URGENT + 100, None])
def test_it_is_looked_again_when_one_becomes_urgent(due: float | None) -> None:
    """It may take what is free then, and kept for one that was before it; nothing else may happen for hours."""
    machine = Machine(Limits(locks={"gpu": 1, "ssd": 1}))
    machine.come(0, "c2", GPU, progress=9)
    assert machine.let_in() == [0]
    machine.come(1, "pc2", (processor("both", "gpu", "ssd"),), due=machine.now + 9 * PATIENCE, progress=6)
    machine.come(2, "pc1", (processor("ssd", "ssd"),), due=None if due is None else machine.now + due, progress=5)
    assert machine.let_in() == []
    moment = machine.turns.look_again(machine.now) or 0.0
    assert moment == machine.now + (PATIENCE if due is None else due) - URGENT
    machine.now = moment - 1
    assert machine.let_in() == []
    machine.now = moment
    assert machine.let_in() == [2]
    assert machine.turns.look_again(machine.now) == machine.waiters[1, "pc2"].urgent_from
