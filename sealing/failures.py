"""How a step can fail. The one place for failures: levels, their exceptions, and the text that people read.

SealingFailure
├── Temporary   run the step again after recover_interval, at most max_retries times in a state
├── Permanent   park: an operator looks and resumes
├── Critical    park: something is broken that concerns more than this sector
├── Abort       the sector cannot be saved: clean up and end
├── Outage      a service that we need is away: retried without limit, used up by no budget
├── Wait        not a failure: what the step waits for has not happened yet
└── LookFirst   not a failure: the replica must be looked at on its machine before the step may run
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from sealing.values import Frozen

TEXT_LIMIT = 2000
"""Characters of a failure's text that are kept: it goes into history, search and reports."""
TICKET_EXPIRED = "ticket expired"
"""How every failure for an old ticket begins, the manager's rejections too: a new ticket cures it."""


class Level(StrEnum):
    """How bad a failure is; the wire's own words."""

    Temporary = "Temporary"
    Permanent = "Permanent"
    Critical = "Critical"
    Abort = "Abort"


class SealingFailure(Exception):
    """Base of all that a step raises on purpose."""


class LeveledFailure(SealingFailure):
    """A failure that the business counts; ``level`` says what becomes of the task."""

    level: ClassVar[Level]


class Temporary(LeveledFailure):
    """Trying again may help."""

    level = Level.Temporary


class Permanent(LeveledFailure):
    """Trying again would not help until somebody has looked."""

    level = Level.Permanent


class Critical(LeveledFailure):
    """Something is broken that concerns more than this sector."""

    level = Level.Critical


class Abort(LeveledFailure):
    """The sector cannot be saved."""

    level = Level.Abort


class Outage(SealingFailure):
    """A service that the step needs does not answer. Waiting for it costs no attempt."""


class Wait(SealingFailure):
    """What the step waits for has not happened; look again after ``delay`` seconds."""

    def __init__(self, why: str, delay: float) -> None:
        """Say what is waited for, and when to look again."""
        super().__init__(why)
        self.delay = delay


class LookFirst(SealingFailure):
    """The workflow was reset: whether the files are still those that it speaks of must be seen first."""


class Failure(Frozen):
    """A failure as it is kept and shown."""

    level: Level
    text: str
    span: str = ""
    """The span of the attempt that failed, where there are traces."""


def describe(error: BaseException) -> str:
    """Return one bounded text for an exception and the chain of its causes, the cause that matters last."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen).strip() or type(seen).__name__
        if not isinstance(seen, SealingFailure) and str(seen).strip():
            text = f"{type(seen).__name__}: {text}"
        if text not in parts:
            parts.append(text)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return bounded(": ".join(parts))


def bounded(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return ``text`` cut to ``limit`` characters, with the number of those left out, keeping both ends."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]} … {len(text) - 2 * half} characters left out … {text[-half:]}"
