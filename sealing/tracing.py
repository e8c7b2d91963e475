"""What an attempt at a step leaves for its sector's trace and for its log lines. It knows no OpenTelemetry.

What happens in an attempt is noted where it happens and told when the attempt ends: of one that is killed nothing may
be left whose parent never comes. Ids are derived, so that every worker joins a sector's trace and nothing travels.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache

from sealing.failures import bounded

SECTOR, FLOW, STATE, STEP = "sealflow.sector", "sealflow.flow", "sealflow.state", "sealflow.step"
STAGE, LEVEL, WORKER, EVENT = "sealflow.stage", "sealflow.level", "sealflow.worker", "sealflow.event"
ATTEMPT, OUTCOME = "sealflow.attempt", "sealflow.outcome"
PROCESSOR, JOB, PIECE, STORE = "sealflow.processor", "sealflow.job", "sealflow.piece", "sealflow.store"
WORKFLOW, RUN, ACTIVITY = "temporalWorkflowID", "temporalRunID", "temporalActivityID"
"""As the SDK's own tracing names them."""
RPC_SYSTEM, RPC_METHOD = "rpc.system", "rpc.method"

WAITS, OUTAGE, LOOKS_FIRST, LET_GO, LOST = "waits", "outage", "looks first", "let go", "lost"
"""How an attempt ends that neither ends in an event nor fails; the last is that of one whose worker is gone."""

ERROR_TEXT = 500
"""Characters of a failure's text that a span keeps; the whole is in the history."""
TRACE_DIGITS, SPAN_DIGITS = 32, 16

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Span:
    """A span that has ended. Ids are hex digits, times seconds since 1970; ``error`` is why it failed, if it did."""

    name: str
    trace: str
    id: str
    parent: str
    began: float
    ended: float
    attributes: Attributes
    links: tuple[str, ...] = ()
    """Other spans of the same trace."""
    error: str | None = None
    is_call: bool = False
    """Whether somebody else did the work."""


@dataclass(frozen=True)
class Tracing:
    """Where the spans of one worker go; ``emit`` neither blocks nor raises."""

    worker: str
    emit: Callable[[Span], None]
    process: str = field(default_factory=lambda: secrets.token_hex(SPAN_DIGITS // 2))
    """Tells this run of the worker from another."""


@dataclass
class Trail:
    """The running attempt: what its log lines name, and what has happened in it so far.

    ``parts`` are None where nothing is traced.
    """

    step: str
    sector: str = ""
    trace: str = ""
    span: str = ""
    parts: list[Span] | None = None
    began: float = field(default_factory=time.time)


_trail: ContextVar[Trail | None] = ContextVar("trail", default=None)


def current() -> Trail | None:
    """Return the trail of the running attempt; None outside of one."""
    return _trail.get()


def begin(trail: Trail) -> None:
    """Follow an attempt. It is followed to the end of its asyncio task, for the SDK logs there how it ended."""
    _trail.set(trail)


def anew() -> None:
    """Forget what has happened so far: what follows is another matter."""
    if trail := _trail.get():
        trail.began = time.time()
        if trail.parts is not None:
            trail.parts.clear()


def note(  # noqa: PLR0913 - a span has that many parts
    name: str, began: float, seconds: float, attributes: Attributes, *, error: str | None = None, is_call: bool = False
) -> None:
    """Note what took some seconds, if the attempt is traced."""
    trail = _trail.get()
    if trail is None or trail.parts is None:
        return
    about = {SECTOR: trail.sector, STEP: trail.step, **attributes}
    short = None if error is None else bounded(error, ERROR_TEXT)
    ids = (trail.trace, secrets.token_hex(SPAN_DIGITS // 2), trail.span)
    trail.parts.append(Span(name, *ids, began, began + seconds, about, error=short, is_call=is_call))


@contextmanager
def noted(name: str, attributes: Attributes, *, is_call: bool = False) -> Iterator[None]:
    """Note the block: how long it takes, and how it fails."""
    began = time.time()
    try:
        yield
    except BaseException as failure:
        level, error = type(failure).__name__, str(failure) or LET_GO
        note(name, began, time.time() - began, {**attributes, LEVEL: level}, error=error, is_call=is_call)
        raise
    note(name, began, time.time() - began, attributes, is_call=is_call)


@contextmanager
def called(method: str) -> Iterator[None]:
    """Note a call to the manager."""
    with noted(method, {RPC_SYSTEM: "jsonrpc", RPC_METHOD: method}, is_call=True):
        yield


def trace_of(namespace: str, workflow_id: str, key: str) -> str:
    """Return the id of a task's trace. ``key`` tells the task from a later one with the same id, after an abort."""
    return _digest(namespace, workflow_id, key)[:TRACE_DIGITS]


@lru_cache
def root_of(trace: str) -> str:
    """Return the id of a trace's first span."""
    return _digest(trace, "root")[:SPAN_DIGITS]


def attempt_of(trace: str, *what: str) -> str:
    """Return the id of the span of an attempt, which is known by ``what``."""
    return _digest(trace, *what)[:SPAN_DIGITS]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
