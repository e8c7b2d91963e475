"""A check: a name and a look at something. It ends in an answer, whatever happens, within a few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sealing.failures import describe

LIMIT = 6.0
"""Seconds that a check may take."""
CALL_LIMIT = 4.0
"""Seconds that one call to a server may take, so that a check can still say which of them it was."""


class Level(StrEnum):
    """How an answer is marked."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "WRONG"


@dataclass(frozen=True)
class Answer:
    """What a look has shown; the remedy says what to type or to change, of what is not in order."""

    text: str
    level: Level = Level.OK
    remedy: str | None = None


@dataclass(frozen=True)
class Check:
    """A look at something."""

    name: str
    look: Callable[[], Awaitable[Answer]]


@dataclass(frozen=True)
class Finding:
    """The answer of a check."""

    check: str
    answer: Answer


def ok(text: str) -> Answer:
    """Return the answer that all is well."""
    return Answer(text)


def warning(text: str, remedy: str) -> Answer:
    """Return the answer that something deserves a look, or could not be checked."""
    return Answer(text, Level.WARNING, remedy)


def wrong(text: str, remedy: str) -> Answer:
    """Return the answer that a worker could not seal like this."""
    return Answer(text, Level.WRONG, remedy)


async def run_all(checks: Iterable[Check], limit: float = LIMIT) -> list[Finding]:
    """Run the checks at once, each for at most ``limit`` seconds, and return their findings in order."""
    return list(await asyncio.gather(*(_run(check, limit) for check in checks)))


async def _run(check: Check, limit: float) -> Finding:
    try:
        async with asyncio.timeout(limit):
            answer = await check.look()
    except TimeoutError:
        answer = wrong(
            f"no answer within {limit:g} s", "look what hangs there (a disk, a mount, the network), then run this again"
        )
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding too, and must not take the others along
        answer = wrong(f"could not be checked: {describe(error)}", "put right what it says, then run this again")
    return Finding(check.name, answer)
