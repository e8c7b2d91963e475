"""Events in the order of their times: threads that seal one sector after the other, and machines that let them."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.fleet.model import DAY, EPOCH, SEED_FROM, STEPS, TICKET_LIFETIME, Machine, Step
from bench.fleet.rules import FirstCome, OneByOne, Rule
from sealing.flow.state import State
from sealing.flow.table import Place
from sealing.processors.processor import Processor
from sealing.processors.turns import Ask, Limits, Turns

Then = Callable[[], None]


@dataclass(frozen=True)
class Way:
    """How a fleet is run: who goes first, how long after a landing it is looked at, and how long a thread rests."""

    name: str
    rule: Callable[[Limits], Rule]
    poll: float
    rest: float


OURS = Way("sealflow", Turns, EPOCH, 0.0)
FIRST_COME = Way("first come", FirstCome, EPOCH, 0.0)
THREADS = Way("a thread for each store", OneByOne, 180.0, 30.0)
"""As a damocles worker does by its own defaults: a poll in 180 s, and 30 s of rest between two sectors."""
WAYS = (OURS, FIRST_COME, THREADS)


class Clock:
    """What happens next."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.now = 0.0
        self._events: list[tuple[float, int, Then]] = []
        self._numbers = itertools.count()

    def at(self, when: float, then: Then) -> None:
        """Let something happen at a time, in seconds."""
        heapq.heappush(self._events, (when, next(self._numbers), then))

    def run(self, until: float) -> None:
        """Let happen what does before then."""
        while self._events and self._events[0][0] < until:
            self.now, _, then = heapq.heappop(self._events)
            then()


class Host:
    """One machine's admission, with the jobs that it lets run."""

    def __init__(self, clock: Clock, rule: Rule) -> None:
        """Begin idle."""
        self._clock, self._rule = clock, rule
        self._asked: dict[object, tuple[float, Then]] = {}
        self._alarm: float | None = None

    def compute(self, ask: Ask, seconds: float, then: Then) -> None:
        """Compute for so long as soon as it is this job's turn."""
        self._asked[self._rule.ask(ask, self._clock.now)] = seconds, then
        self._grant()

    def _grant(self) -> None:
        now = self._clock.now
        for waiter, _ in list(self._rule.grant(now)):
            seconds, then = self._asked.pop(waiter)
            self._clock.at(now + seconds, partial(self._end, waiter.ask.key, then))
        at = self._rule.look_again(now)
        if at is not None and at != self._alarm:
            self._alarm = at
            self._clock.at(at, self._grant)

    def _end(self, key: Path, then: Then) -> None:
        self._rule.free(key)
        self._grant()
        then()


class Pool:
    """Machines that compute for others, from one queue: who is free takes the first, as from a queue of Temporal's."""

    def __init__(self, clock: Clock, way: Way, count: int) -> None:
        """Begin idle; each computes one at a time."""
        self._free = [Host(clock, way.rule(Limits())) for _ in range(count)]
        self._queue: deque[tuple[Ask, float, Then]] = deque()

    def compute(self, ask: Ask, seconds: float, then: Then) -> None:
        """Compute as soon as a machine is free."""
        self._queue.append((ask, seconds, then))
        self._give()

    def _give(self) -> None:
        while self._free and self._queue:
            host, (ask, seconds, then) = self._free.pop(), self._queue.popleft()
            host.compute(ask, seconds, partial(self._back, host, then))

    def _back(self, host: Host, then: Then) -> None:
        self._free.append(host)
        self._give()
        then()


@dataclass
class Fleet:
    """All that one run of the simulation is about. ``finished`` are the times at which sectors were."""

    machine: Machine
    way: Way
    clock: Clock
    chance: random.Random
    pool: Pool
    finished: list[float] = field(default_factory=list)
    expired: int = 0

    def place(self, host: Host, step: Step) -> Host | Pool:
        """Return where a step is computed."""
        return self.pool if step.stage in self.machine.pooled else host


@dataclass
class Thread:
    """One sealing thread of a machine, and its sector."""

    fleet: Fleet
    host: Host
    key: Path
    number: int = 0
    ticket_ends: float = 0.0
    landed: float = 0.0

    def begin(self) -> None:
        """Take the next sector."""
        self.number += 1
        self._step(0)

    def _step(self, index: int) -> None:
        clock, fleet = self.fleet.clock, self.fleet
        if index == len(STEPS):
            fleet.finished.append(clock.now)
            clock.at(clock.now + fleet.way.rest, self.begin)
            return
        step, seconds = STEPS[index], STEPS[index].draw(fleet.chance)
        if step.place is Place.Chain:
            clock.at(self._noticed(step, seconds), partial(self._landed, step, index))
            return
        if step.state is State.TicketAssigned:
            self.ticket_ends = clock.now + TICKET_LIFETIME
        due = self.ticket_ends if step.state in {State.TicketAssigned, State.PC1Done} else None
        ask = Ask(step.stage, self.key / f"{self.number}-{step.stage}", self._processors(step), due, step.progress)
        fleet.place(self.host, step).compute(ask, seconds, partial(self._computed, step, index))

    def _noticed(self, step: Step, seconds: float) -> float:
        """Return when the worker sees that the chain has done it: at one of its polls."""
        now, poll = self.fleet.clock.now, self.fleet.way.poll
        since = self.landed if step.state is State.PersistanceSubmitted else now
        left = max(0.0, since + seconds - now)
        return now + math.ceil(left / poll) * poll

    def _landed(self, step: Step, index: int) -> None:
        if step.state is SEED_FROM:
            self.landed = self.fleet.clock.now
        self._step(index + 1)

    def _computed(self, step: Step, index: int) -> None:
        if step.state is State.PC1Done and self.fleet.clock.now > self.ticket_ends:
            self.fleet.expired += 1
            index = next(n for n, each in enumerate(STEPS) if each.state is State.TicketAssigned) - 1
        self._step(index + 1)

    def _processors(self, step: Step) -> tuple[Processor, ...]:
        locks = () if step.stage in self.fleet.machine.pooled else self.fleet.machine.locks.get(step.stage, ())
        return (Processor(step.stage, ("simulated",), locks=locks),)


@dataclass(frozen=True)
class Plan:
    """So many machines of a kind, run in a way for some days after the first ones: all threads begin at once."""

    machine: Machine
    way: Way
    machines: int
    days: float = 7.0
    warm: float = 2.0


@dataclass(frozen=True)
class Outcome:
    """Sectors a day and a machine, the share of the bound that this is, and tickets that expired under PC1."""

    rate: float
    share: float
    expired: int


def simulate(plan: Plan, seed: int) -> Outcome:
    """Run a fleet; the seed decides how long each step of each sector takes."""
    machine, way, machines = plan.machine, plan.way, plan.machines
    clock = Clock()
    pool = Pool(clock, way, machine.hosts(machines))
    fleet = Fleet(machine, way, clock, random.Random(seed), pool)  # noqa: S311 - nothing is secret
    for number in range(machines):
        host = Host(clock, way.rule(machine.limits))
        for thread in range(machine.threads):
            clock.at(0.0, Thread(fleet, host, Path(f"{number}/{thread}")).begin)
    clock.run((plan.warm + plan.days) * DAY)
    rate = sum(at >= plan.warm * DAY for at in fleet.finished) / plan.days / machines
    return Outcome(rate, rate / machine.bound(machines)[0], fleet.expired)
