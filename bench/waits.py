"""What a sector's waits for the chain come to: how late each was noticed, and what was asked meanwhile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from sealing.devnet.chain import Chain
from sealing.devnet.pool import Kind
from sealing.devnet.queries import MessageRecord
from sealing.manager import methods

PRECOMMIT, SEED, PROOF = WAITS = ("pre-commit", "seed", "proof")
QUESTIONS = {
    methods.POLL_PRECOMMIT.name: PRECOMMIT,
    methods.WAIT_SEED.name: SEED,
    methods.POLL_PROOF.name: PROOF,
}
"""The wait that a method of the manager asks about."""
FOLLOWS = {PRECOMMIT: "persist", SEED: "c1", PROOF: "clean_up"}
"""The activity that starts when a wait is over."""


@dataclass(frozen=True)
class Question:
    """When the manager was asked, about which wait of the sector of which number."""

    at: float
    wait: str
    number: int


@dataclass(frozen=True)
class Wait:
    """One wait of a sector, in seconds since 1970: from when to when on the chain, and when its next step started."""

    name: str
    since: float
    over: float
    started: float


@dataclass
class Found:
    """What was seen of some sectors."""

    late: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WAITS})
    """Seconds from the end of a wait on the chain until the next step has started."""
    pauses: list[float] = field(default_factory=list)
    """Seconds from a sector's end until its thread has the next."""
    asked: int = 0
    vain: int = 0
    """Questions of these to which no other answer could have come."""
    most: int = 0
    """Questions about one wait in one epoch, at most."""
    epochs: int = 0
    """Epochs of all waits, those counted that were begun."""

    def add(self, other: Found) -> None:
        """Count what was seen of other sectors as well."""
        for name, seconds in other.late.items():
            self.late[name] += seconds
        self.pauses += other.pauses
        self.asked, self.vain = self.asked + other.asked, self.vain + other.vain
        self.most, self.epochs = max(self.most, other.most), self.epochs + other.epochs


def waits_of(messages: Iterable[MessageRecord], history: WorkflowHistory) -> list[Wait]:
    """Return the three waits of a sector that is finished, and whose messages were sent once."""
    sent = {message.kind: message for message in messages}
    precommit, proof = sent[Kind.PRECOMMIT], sent[Kind.PROOF]
    if precommit.seed_at is None:
        raise ValueError("a pre-commit without a seed is no sector's that is finished")
    moments = {
        PRECOMMIT: (precommit.sent_at, precommit.landed_at),
        SEED: (precommit.landed_at, precommit.seed_at),
        PROOF: (proof.sent_at, proof.landed_at),
    }
    return [Wait(name, *moments[name], _started(history, FOLLOWS[name])) for name in WAITS]


def _started(history: WorkflowHistory, activity: str) -> float:
    """Return when an activity was first started, in seconds since 1970."""
    scheduled = next(
        event.event_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == activity
    )
    return next(
        event.event_time.ToNanoseconds() / 1e9
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        and event.activity_task_started_event_attributes.scheduled_event_id == scheduled
    )


def seen_of(waits: Sequence[Wait], questions: Sequence[Question], chain: Chain) -> Found:
    """Return what was seen of one sector, about which these questions were asked."""

    def epoch(at: float) -> int:
        return math.floor((at - chain.genesis) / chain.config.epoch_seconds)

    found = Found(asked=len(questions))
    for wait in waits:
        times = sorted(each.at for each in questions if each.wait == wait.name)
        found.late[wait.name].append(wait.started - wait.over)
        found.epochs += epoch(wait.over) - epoch(wait.since) + 1
        found.most = max(found.most, *Counter(map(epoch, times)).values())
        if wait.name == SEED:
            found.vain += sum(at < wait.over for at in times[1:])
        else:
            found.vain += sum(epoch(at) == epoch(wait.since) for at in times)
    return found


def lost(waits: Iterable[Wait], polling: float, rest: float) -> Found:
    """Return what a sector loses to a worker that asks when it has sent a message, and then each ``polling`` seconds.

    ``rest`` is for how many seconds it does nothing after a sector. Seeds are left out: for them it sleeps as long as
    the manager says.
    """
    found = Found(pauses=[rest])
    for wait in waits:
        if wait.name != SEED:
            times = math.ceil((wait.over - wait.since) / polling)
            found.late[wait.name].append(wait.since + times * polling - wait.over)
    return found
