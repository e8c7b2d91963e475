"""Admission under anything: attempts come, leave and are cancelled anywhere, jobs run on, time passes."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sealing.processors.admission import Admission, Limits
from sealing.processors.processor import Processor
from sealing.processors.turns import Lack
from tests.processors.admitting import Attempt, Jobs, Loop, ask, key

STAGES = ("pc1", "pc2", "c2")
LOCKS = ("gpu", "link")
GAP = 10.0
ROUNDING = 0.001
"""Seconds since 1970 are exact to a part of a microsecond only."""
NUMBERS = st.integers(0, 5)
PICKS = st.integers(0, 30)


def some_processors() -> st.SearchStrategy[list[tuple[int | None, list[str]]]]:
    """Return the processors of a stage: how many tasks at a time, and which locks."""
    locks = st.sampled_from([[], ["gpu"], ["link"], ["link", "gpu"]])
    one = st.tuples(st.none() | st.integers(1, 2), locks)
    return st.lists(one, min_size=1, max_size=2)


class Machine(RuleBasedStateMachine):
    """A machine of three stages and two locks."""

    @initialize(
        concurrent=st.dictionaries(st.sampled_from(STAGES), st.integers(1, 2)),
        staggered=st.sets(st.sampled_from(STAGES)),
        locks=st.dictionaries(st.sampled_from(LOCKS), st.integers(1, 2)),
        processors=st.fixed_dictionaries({stage: some_processors() for stage in STAGES}),
    )
    def build(self, concurrent: Any, staggered: Any, locks: Any, processors: Any) -> None:
        """Build the machine."""
        self.loop = Loop()
        self.jobs = Jobs()
        self.limits = Limits(concurrent, dict.fromkeys(staggered, GAP), locks)
        self.processors = {
            stage: [
                Processor(f"{stage}[{at}]", ("true",), concurrent=most, locks=tuple(names))
                for at, (most, names) in enumerate(given)
            ]
            for stage, given in processors.items()
        }
        self.attempts: list[Attempt] = []
        self.starts: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.known: set[Path] = set()
        self.later = itertools.count(1)

        async def make() -> Admission:
            return Admission(self.limits, runs=self.jobs.runs, ended=self.jobs.ended, clock=self.loop.time)

        self.admission = self.do(make())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something on the loop, let everything settle, and note the starts that came of it."""
        done = self.loop.run_until_complete(work)
        self.settle()
        return done

    def settle(self) -> None:
        """Let everything settle, and note the starts that came of it."""
        self.loop.settle()
        now = set(self.admission._turns.running) if hasattr(self, "admission") else set()
        for started in now - self.known:
            self.starts[started.name].append(self.loop.now)
        self.known = now

    def come(self, stage: str, number: int, due: float | None, progress: int) -> Attempt:
        """Let an attempt at a job come."""

        async def begin() -> Attempt:
            wanted = ask(stage, key(number, stage), self.processors[stage], due=due, progress=progress)
            return Attempt(self.admission, wanted)

        attempt: Attempt = self.do(begin())
        self.attempts.append(attempt)
        return attempt

    @rule(stage=st.sampled_from(STAGES), number=NUMBERS, due=st.none() | st.integers(0, 9), progress=NUMBERS)
    def somebody_comes(self, stage: str, number: int, due: int | None, progress: int) -> None:
        """Let one come, with an end of its ticket or without."""
        self.come(stage, number, None if due is None else 1e9 + due, progress)

    @precondition(lambda self: self.attempts)
    @rule(pick=PICKS, how=st.sampled_from(["leave", "cancel", "let go"]))
    def somebody_leaves(self, pick: int, how: str) -> None:
        """Let one leave, be cancelled wherever it is, or be cancelled while its job runs on."""
        attempt = self.attempts.pop(pick % len(self.attempts))
        if how == "let go" and attempt.inside and not self.jobs.runs(attempt.ask.key):
            self.jobs.start(attempt.ask.key)
        self.do(attempt.leave(cancel=how != "leave" or not attempt.inside))

    @precondition(lambda self: self.jobs.running)
    @rule(pick=PICKS)
    def a_job_ends(self, pick: int) -> None:
        """Let a job end that runs on."""
        self.jobs.end(sorted(self.jobs.running)[pick % len(self.jobs.running)])
        self.settle()

    @rule(seconds=st.sampled_from([1.0, GAP / 2, GAP]))
    def time_passes(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.now += seconds + ROUNDING
        self.settle()

    @invariant()
    def never_over_a_limit(self) -> None:
        """No stage, no processor and no lock has more than it may."""
        running = self.admission._turns.running.values()
        for stage, used in Counter(run.stage for run in running).items():
            assert used <= self.limits.concurrent.get(stage, used)
        for processor in (each for group in self.processors.values() for each in group):
            used = sum(run.processor.name == processor.name for run in running)
            assert processor.concurrent is None or used <= processor.concurrent
        for lock in LOCKS:
            used = sum(lock in run.processor.locks for run in running)
            assert used <= self.limits.locks.get(lock, used)

    @invariant()
    def who_is_inside_is_counted(self) -> None:
        """Count what is inside and what runs on, and nothing else; nobody waits for a slot that its job has."""
        inside = {attempt.ask.key for attempt in self.attempts if attempt.inside}
        assert inside | set(self.jobs.running) == set(self.admission._turns.running)
        assert not inside & {attempt.ask.key for attempt in self.attempts if not attempt.inside}

    @invariant()
    def the_first_waits_for_what_is_really_taken(self) -> None:
        """Whoever is first in turn is told a lack that is one: nothing is held back without need."""
        board, running = self.admission.board, self.admission._turns.running
        if not board.waiting:
            return
        first = board.waiting[0]
        if first.lack is Lack.slot:
            assert sum(run.stage == first.stage for run in running.values()) == self.limits.concurrent[first.stage]
        elif first.lack is Lack.start:
            assert self.loop.now < self.starts[first.stage][-1] + GAP
        else:
            assert running

    @invariant()
    def starts_are_staggered(self) -> None:
        """Two starts of a staggered stage lie so far apart."""
        for stage in self.limits.staggered:
            assert all(after - before >= GAP for before, after in itertools.pairwise(self.starts[stage]))

    def teardown(self) -> None:
        """See that who waits gets in although others keep coming, and then all; nothing is held in the end."""
        if hasattr(self, "admission"):
            with contextlib.closing(self.loop):
                self._all_end()

    def _all_end(self) -> None:
        waiting = [attempt for attempt in self.attempts if not attempt.inside]
        if waiting:
            self._gets_in(waiting[0])
        while self.attempts:
            self._one_ends()
        while self.jobs.running:
            self.a_job_ends(0)
        board = self.admission.board
        assert all(each.used == 0 for each in (*board.stages, *board.locks))
        assert not board.waiting

    def _gets_in(self, attempt: Attempt) -> None:
        """Let others come for every stage, again and again: the one that waits is inside after finitely many ends."""
        for _ in range(len(self.attempts) + len(self.jobs.running) + 2):
            if attempt.inside:
                return
            for stage in STAGES:
                self.come(stage, 100 + next(self.later), 2e12, 0)
            self._one_ends(but=attempt)
        assert attempt.inside, "others passed it by"

    def _one_ends(self, but: Attempt | None = None) -> None:
        """Let time for a staggered start pass, and one that runs end, the first that came."""
        self.time_passes(GAP)
        inside = [attempt for attempt in self.attempts if attempt.inside and attempt is not but]
        assert inside or self.jobs.running, "all wait and nothing runs"
        if self.jobs.running:
            self.a_job_ends(0)
        else:
            self.attempts.remove(inside[0])
            self.do(inside[0].leave())


Machine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestAdmission = Machine.TestCase
TestAdmission.__doc__ = (
    "Never over a limit, never a deadlock, never starving, staggering kept, whatever is cancelled when."
)
