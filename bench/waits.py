"""What a sector's waits for the chain come to: how late each was noticed, and what was asked meanwhile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from temporalio.client import WorkflowHistory

from sealing.devnet.chain import Chain
from sealing.devnet.pool import Kind
from sealing.devnet.queries import MessageRecord
from sealing.manager import methods

PRECOMMIT, SEED, PROOF = WAITS = ("pre-commit", "seed", "proof")
LOOKS = ("check_precommit", "wait_seed", "check_proof")
"""The activities that look whether a wait is over."""
SCHEDULED: Final = "activity_task_scheduled_event_attributes"
STARTED: Final = "activity_task_started_event_attributes"
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
    vain: Counter[str] = field(default_factory=Counter)
    """Questions of these that came too soon, by the wait that they were about: for a message that is more than an epoch
    before that in which it lands, for a seed before the moment that an earlier answer has named."""
    most: int = 0
    """Questions about one wait in one epoch, at most."""
    epochs: int = 0
    """Epochs of all waits, those counted that were begun."""

    def add(self, other: Found) -> None:
        """Count what was seen of other sectors as well."""
        for name, seconds in other.late.items():
            self.late[name] += seconds
        self.pauses += other.pauses
        self.vain.update(other.vain)
        self.asked, self.epochs = self.asked + other.asked, self.epochs + other.epochs
        self.most = max(self.most, other.most)


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


def waited(history: WorkflowHistory, until: datetime) -> dict[str, float]:
    """Return, by activity, the seconds in which those that look at the chain had not found what they look for."""
    scheduled = {event.event_id: event for event in history.events if event.HasField(SCHEDULED)}
    seconds = dict.fromkeys(LOOKS, 0.0)
    for event in history.events:
        given = event.activity_task_started_event_attributes
        if event.HasField(STARTED) and given.attempt > 1 and event.event_time.ToDatetime(UTC) < until:
            first = scheduled[given.scheduled_event_id]
            activity = first.activity_task_scheduled_event_attributes.activity_type.name
            if activity in LOOKS:
                seconds[activity] += (event.event_time.ToNanoseconds() - first.event_time.ToNanoseconds()) / 1e9
    return seconds


def _started(history: WorkflowHistory, activity: str) -> float:
    """Return when an activity was first started, in seconds since 1970."""
    scheduled = next(
        event.event_id
        for event in history.events
        if event.HasField(SCHEDULED) and event.activity_task_scheduled_event_attributes.activity_type.name == activity
    )
    return next(
        event.event_time.ToNanoseconds() / 1e9
        for event in history.events
        if event.HasField(STARTED) and event.activity_task_started_event_attributes.scheduled_event_id == scheduled
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
            found.vain[SEED] += sum(at < wait.over for at in times[1:])
        else:
            found.vain[wait.name] += sum(epoch(at) < epoch(wait.over) - 1 for at in times)
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
