"""What a flow is: rows of states, each with a step and the events that it may end in, and the checks of such a table.

The order of the rows is the order of the work: an event that leads to a row above its own is a way back, and a way
back clears what the rows from there on had set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from sealing.flow.events import Event
from sealing.flow.state import State


class Place(StrEnum):
    """Where a step runs."""

    Thread = "Thread"
    """By the sealing thread, before there is a sector."""
    Manager = "Manager"
    """One quick call to the manager, from any worker of the fleet."""
    Chain = "Chain"
    """A wait for the chain, polled through the manager, from any worker of the fleet."""
    Machine = "Machine"
    """On the machine that holds the sector's files."""
    Pool = "Pool"
    """On a machine of the shared queue that the task's settings name for the step, else on the sector's machine."""


@dataclass(frozen=True)
class Step:
    """What a state does next: an activity by its name, where it ends, where it runs and what it reads of the sector."""

    activity: str
    edges: Mapping[type[Event], State]
    where: Place = Place.Machine
    needs: tuple[str, ...] = ()
    sends: str | None = None
    """The field that says what was sent, for a step that sends something to the chain."""
    again: type[Event] | None = None
    """The event after which the same is sent again: not at once, but after resubmit_interval."""
    packs: str | None = None
    """The activity that packs the input of a step of the pool, on the sector's machine."""

    @property
    def computes(self) -> bool:
        """Whether the step is a computation, on whichever machine."""
        return self.where in {Place.Machine, Place.Pool}


class FlowError(Exception):
    """A table that cannot be right. Raised when the table is imported."""


@dataclass(frozen=True)
class Flow:
    """A flow: its name, its version, its rows, and which of them are ours and not the seed's."""

    name: str
    workflow: str
    """The Temporal workflow type that runs it."""
    version: int
    rows: Mapping[State, Step]
    added: tuple[tuple[State, type[Event], State], ...] = ()
    kept: frozenset[str] = frozenset()
    """Fields that a way back leaves alone: what the chain has seen stays seen."""
    start: State = State.Empty
    terminal: tuple[State, ...] = (State.Finished, State.Aborted)

    def __post_init__(self) -> None:
        """Check the table: see ``_problems``."""
        if problems := list(self._problems()):
            msg = f"flow {self.name}: " + "; ".join(problems)
            raise FlowError(msg)

    def edges(self) -> Iterator[tuple[State, type[Event], State]]:
        """Yield every edge as (state, event, next state), in the order of the table."""
        for state, step in self.rows.items():
            for event, to in step.edges.items():
                yield state, event, to

    def is_back(self, state: State, to: State) -> bool:
        """Tell whether going from ``state`` to ``to`` is a way back: to the same row or one above it."""
        return to in self.order and state in self.order and self.order[to] <= self.order[state]

    @cached_property
    def order(self) -> dict[State, int]:
        """The position of each row."""
        return {state: position for position, state in enumerate(self.rows)}

    def cleared_at(self, state: State) -> frozenset[str]:
        """Return the fields that a sector in ``state`` cannot have yet: what this row and those below it set."""
        later = (
            event.sets()
            for source, event, to in self.edges()
            if self.order[source] >= self.order[state] and not self.is_back(source, to)
        )
        return frozenset().union(*later) - self.kept

    @cached_property
    def filled(self) -> dict[State, frozenset[str]]:
        """The fields that are surely set on arrival in each state, whatever the path (a fixed point over all edges)."""
        everything = frozenset[str]().union(*(event.sets() for _, event, _ in self.edges()))
        known = dict.fromkeys([*self.rows, *self.terminal], everything)
        known[self.start] = frozenset()
        while True:
            before = dict(known)
            for source, event, to in self.edges():
                kept = known[source] - (self.cleared_at(to) if self.is_back(source, to) else frozenset())
                known[to] &= kept | event.sets()
            if known == before:
                return known

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong with the table. Later checks need what earlier ones ensure, so the first kind ends it."""
        for check in (self._loose_ends, self._bad_rows, self._missing_needs):
            if found := list(check()):
                yield from found
                return

    def _loose_ends(self) -> Iterator[str]:
        if self.start not in self.rows:
            yield f"the start {self.start} has no row"
        for state, event, to in self.edges():
            if to not in self.rows and to not in self.terminal:
                yield f"{state} leads by {event.__name__} to {to}, which has no row"

    def _bad_rows(self) -> Iterator[str]:
        reached = self._reachable()
        for state, step in self.rows.items():
            if state in self.terminal:
                yield f"{state} is terminal and has a row"
            if state not in reached:
                yield f"{state} is never reached"
            if not step.activity or not step.edges:
                yield f"{state} has no activity or leads nowhere"
            if (step.where is Place.Pool) is (step.packs is None):
                yield f"{state} must be of the pool and name what packs its input, or neither"
        for state, event, _ in self.edges():
            if not event.sets():
                yield f"{state}: {event.__name__} sets nothing"
        for state, event, to in self.added:
            if state not in self.rows or self.rows[state].edges.get(event) != to:
                yield f"the row {state} {event.__name__} {to} is marked as ours and is not in the table"

    def _missing_needs(self) -> Iterator[str]:
        for state, step in self.rows.items():
            if missing := set(step.needs) - self.filled[state]:
                yield f"{state} needs {', '.join(sorted(missing))}, which some path to it does not set"

    def _reachable(self) -> set[State]:
        seen, pending = {self.start}, [self.start]
        while pending:
            row = self.rows.get(pending.pop())
            for to in row.edges.values() if row else ():
                if to not in seen:
                    seen.add(to)
                    pending.append(to)
        return seen
