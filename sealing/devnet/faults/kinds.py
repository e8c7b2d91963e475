"""The kinds of faults, each a model: what an operator orders and a configuration says. Wrong values raise ValueError.

outcome   what the worker hears of a message when it asks: it failed, it is not there
answer    what becomes of a submission instead of being looked at: rejected, mismatched, files missed
lost      a call is carried out, and the connection is cut without its answer
slow      a call waits before it is carried out
down      every connection is cut, also to the pieces, and nothing is carried out
reorg     a message that landed is pending again, and lands later by itself
"""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from sealing.jsonrpc.method import Method
from sealing.manager import methods
from sealing.values import Frozen, SectorId

PREFIX = "Venus."
METHODS = tuple(method.name for method in vars(methods).values() if isinstance(method, Method))
"""The names of all methods of the manager."""
ORDERED = "a fault that was ordered"
"""The description in an answer, unless another is ordered."""


def _sector(text: str) -> str:
    sector = SectorId.named(text)
    if sector is None:
        msg = f"{text[:80]!r} names no sector: write it as s-t01000-5"
        raise ValueError(msg)
    return str(sector)


def _method(text: str) -> str:
    name = text if text.startswith(PREFIX) else PREFIX + text
    if name not in METHODS:
        known = [method.removeprefix(PREFIX) for method in METHODS]
        near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        msg = f"the manager has no method {text[:80]!r}: {hint}"
        raise ValueError(msg)
    return name


SectorName = Annotated[str, AfterValidator(_sector)]
MethodName = Annotated[str, AfterValidator(_method)]
Times = Annotated[int, Field(ge=1, le=1_000_000)]
"""How often a fault happens before it is used up."""
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=1000)]


class _Fault(Frozen):
    model_config = ConfigDict(extra="forbid")

    kind: str
    times: Times | None = 1
    """None: until it is cleared."""


class Outcome(_Fault):
    """What polls answer about a message that was sent. A message that failed is off the chain until it is sent again.

    ``times`` counts answers; of Failed, messages.
    """

    kind: Literal["outcome"] = "outcome"
    message: Literal["precommit", "proof"]
    state: Literal["Failed", "PermFailed", "ShouldAbort", "NotFound"]
    desc: Text = ORDERED
    sector: SectorName | None = None
    """None: any."""


class Answer(_Fault):
    """What is answered to a submission, which is not looked at and does not reach the chain."""

    kind: Literal["answer"] = "answer"
    message: Literal["precommit", "proof", "snapup"]
    res: Literal["Rejected", "MismatchedSubmission", "FilesMissed"]
    desc: Text = ORDERED
    """A worker reads how it begins: ``ticket expired``, ``invalid proof``, or anything else."""
    sector: SectorName | None = None


class Lost(_Fault):
    """The call is carried out and kept, and its answer does not arrive."""

    kind: Literal["lost"] = "lost"
    method: MethodName


class Slow(_Fault):
    """Each call waits so many seconds before it is carried out; without a method, every call."""

    kind: Literal["slow"] = "slow"
    seconds: Seconds
    method: MethodName | None = None


class Down(_Fault):
    """For so many seconds from when it is ordered the manager answers nobody, and does nothing."""

    kind: Literal["down"] = "down"
    seconds: Seconds
    times: None = None


class Reorg(_Fault):
    """A message that landed, or the next that lands, is pending again, and a pre-commit's seed moves with it.

    A proof that was sent for the seed that is no more has failed then, for it proves nothing.
    """

    kind: Literal["reorg"] = "reorg"
    message: Literal["precommit", "proof"]
    sector: SectorName | None = None


Fault = Annotated[Outcome | Answer | Lost | Slow | Down | Reorg, Field(discriminator="kind")]


FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)
"""Reads and writes faults as JSON."""


def sentence(fault: Fault) -> str:
    """Return in words what a fault does."""
    match fault:
        case Outcome():
            return f"a poll of {_whose(fault.message, fault.sector)} answers {fault.state}: {fault.desc}"
        case Answer():
            return f"a submission of {_whose(fault.message, fault.sector)} is answered {fault.res}: {fault.desc}"
        case Lost():
            return f"{fault.method} is carried out, and its answer is lost"
        case Slow():
            return f"{fault.method or 'every method'} takes {fault.seconds:g} s longer"
        case Down():
            return f"nobody is answered for {fault.seconds:g} s"
        case Reorg():
            return f"{_whose(fault.message, fault.sector)} that landed is pending again"


def _whose(message: str, sector: str | None) -> str:
    return f"the {message} of {sector}" if sector else f"a {message}"
