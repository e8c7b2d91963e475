"""A sector of 32 GiB and the machines that seal it, in seconds, by published figures.

Published are PC1 of 3.5 to 5 h, PC2 of 4 to 25 min and C2 of 2 to 16 min with a GPU. The chain's are its rules: an
epoch of 30 s, and 150 epochs from a pre-commit to its seed. The others are what reading and writing 32 GiB takes on
disks and a network of some GB a second. Each sector draws its own, evenly from the range.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.flow.table import Place
from sealing.processors.turns import Limits

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
EPOCH = 30.0
TICKET_LIFETIME = 24 * HOUR
GPU = "gpu"
LANDING = (2 * EPOCH, 10 * EPOCH)

TIMES: Mapping[State, tuple[float, float]] = {
    State.DealsAcquired: (3 * MINUTE, 6 * MINUTE),
    State.PieceAdded: (4 * MINUTE, 8 * MINUTE),
    State.TicketAssigned: (3.5 * HOUR, 5 * HOUR),
    State.PC1Done: (4 * MINUTE, 25 * MINUTE),
    State.PCSubmitted: LANDING,
    State.PCLanded: (2 * MINUTE, 5 * MINUTE),
    State.PersistanceSubmitted: (150 * EPOCH, 150 * EPOCH),
    State.SeedAssigned: (1 * MINUTE, 2 * MINUTE),
    State.C1Done: (2 * MINUTE, 16 * MINUTE),
    State.ProofSubmitted: LANDING,
}
"""How long the step of a state takes, from and to; that of a state which is not here takes no time."""
SEED_FROM = State.PCSubmitted
"""The state that ends with the pre-commit's landing: the seed is drawn so long after it, whatever is done meanwhile."""


@dataclass(frozen=True)
class Step:
    """One step of the flow that takes time: whose it is, on what, and how far on a sector is that runs it."""

    state: State
    stage: str
    place: Place
    progress: int
    seconds: tuple[float, float]

    @property
    def mean(self) -> float:
        """How long it takes on average."""
        return sum(self.seconds) / 2

    def draw(self, chance: random.Random) -> float:
        """Return how long it takes this time."""
        return chance.uniform(*self.seconds)


STEPS: Sequence[Step] = tuple(
    Step(state, row.activity, row.where, SEALER.order[state], TIMES[state])
    for state, row in SEALER.rows.items()
    if state in TIMES
)
"""The sealer's own table, with times."""


@dataclass(frozen=True)
class Machine:
    """One kind of machine: threads, and what its configuration allows. ``locks`` are those that a stage takes."""

    name: str
    threads: int
    limits: Limits
    locks: Mapping[str, tuple[str, ...]]
    pooled: frozenset[str] = frozenset()
    """The stages that are computed elsewhere."""
    sharing: int = 0
    """How many of these machines one more computes those for."""

    def hosts(self, machines: int) -> int:
        """Return how many more there are for so many machines."""
        return math.ceil(machines / self.sharing) if self.sharing else 0

    def bound(self, machines: int = 1) -> tuple[float, str]:
        """Return the sectors a day that each of so many cannot exceed, and the resource that says so."""
        each = {f"slots of {stage}": (count, self._of(stage)) for stage, count in self.limits.concurrent.items()}
        each |= {f"lock {lock}": (count, self._with(lock)) for lock, count in self.limits.locks.items()}
        each["threads"] = (self.threads, _cycle())
        if hosts := self.hosts(machines):
            each["who computes for all"] = (hosts, machines * sum(self._of(stage) for stage in self.pooled))
        rates = {name: count * DAY / seconds for name, (count, seconds) in each.items() if seconds}
        name = min(rates, key=lambda each: rates[each])
        return rates[name], name

    def _of(self, stage: str) -> float:
        return sum(step.mean for step in STEPS if step.stage == stage)

    def _with(self, lock: str) -> float:
        return sum(self._of(stage) for stage, locks in self.locks.items() if lock in locks and stage not in self.pooled)


def _cycle() -> float:
    """Return how long a sector takes on average that waits for nothing but the chain."""
    during_seed = sum(step.mean for step in STEPS if step.state is State.PCLanded)
    return sum(step.mean for step in STEPS) - during_seed


LIMITS = Limits(concurrent={"pc1": 10}, staggered={"pc1": 10 * MINUTE}, locks={GPU: 1})
"""Ten PC1s by its memory, none within ten minutes of another, and one GPU."""


def alike(threads: int) -> Machine:
    """Return a machine that computes all by itself."""
    return Machine("all by itself", threads, LIMITS, {"pc2": (GPU,), "c2": (GPU,)})


def shared(threads: int) -> Machine:
    """Return a machine whose C2s one more computes, for it and for two others."""
    return Machine("C2 elsewhere", threads, LIMITS, {"pc2": (GPU,)}, frozenset({"c2"}), 3)
