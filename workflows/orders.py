"""The orders that wait to be carried out, and the rules by which a sector takes or refuses one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sealing.flow.state import State
from sealing.flow.table import Flow
from sealing.sector import Sector
from workflows.commands import Answer, Command, Kind, Refused


@dataclass
class Order:
    """A command that was taken, and what became of it when the loop has come to it."""

    command: Command
    answer: Answer | None = None


Orders = deque[Order]


@dataclass(frozen=True)
class Standing:
    """Where a task stands, as far as commands depend on it."""

    flow: Flow
    sector: Sector
    state: State
    halted: bool
    recovering: bool

    def check(self, command: Command) -> None:
        """Raise Refused for a command that the task cannot obey as it stands."""
        command.check_meant(self.sector.id)
        if self.state in self.flow.terminal:
            raise Refused(f"the task has ended: {self.state}")
        if command.kind is Kind.pause and self.halted and not command.now:
            raise Refused(f"the sector already stands still in {self.state}")
        if command.kind is Kind.resume:
            if not self.halted and not self.recovering:
                raise Refused(f"the sector is running in {self.state}: there is nothing to resume; pause it first")
            if command.state is not None:
                self._check_target(command.state, force=command.force)

    def resumable(self) -> tuple[State, ...]:
        """Return the states that a resume may name now, in the order of the flow; none after the end."""
        if self.state not in self.flow.rows:
            return ()
        here = self.flow.order[self.state]
        return tuple(
            state
            for state in self.flow.rows
            if state is not self.flow.start
            and self.flow.order[state] <= here
            and not self.sector.lacks(self.flow, state)
        )

    def draws_again(self, state: State) -> bool:
        """Tell whether going to ``state`` draws a new ticket although a pre-commit with an older one was sent."""
        return self._unmakes("ticket", state)

    def _check_target(self, state: State, *, force: bool) -> None:
        allowed = f"possible now: {', '.join([*self.resumable(), 'Abort'])}"
        if state not in self.flow.rows or state is self.flow.start:
            raise Refused(f"{self.flow.name} cannot be resumed to {state}; {allowed}")
        if missing := self.sector.lacks(self.flow, state):
            raise Refused(f"{state} needs {', '.join(missing)}, which the sector has not; {allowed}")
        if self.flow.order[state] > self.flow.order[self.state]:
            raise Refused(f"{state} lies ahead of {self.state}; {allowed}")
        if self._unmakes("comm_r", state) and not force:
            raise Refused(self._would_unmake(state))

    def _unmakes(self, field: str, state: State) -> bool:
        return self.sector.precommit_sent is not None and field in self.flow.cleared_at(state)

    def _would_unmake(self, state: State) -> str:
        forced = f'{{"state": "{state}", "force": true}}'
        if self.draws_again(state):
            return (
                f"a pre-commit was sent, and a new ticket from {state} on would wipe the only replica that matches it. "
                f"If it is not on chain: {forced}; the manager is asked before anything is touched"
            )
        return (
            f"a pre-commit was sent, and from {state} on the replica that matches it is made anew, with the same "
            f"ticket and so the same again, from data that must still be there: {forced}"
        )
