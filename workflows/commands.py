"""What an operator may order, and how a signal's or an update's argument is read, whoever sends it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from temporalio.common import RawValue

from sealing.failures import bounded
from sealing.flow.state import State
from sealing.values import Frozen

ARGUMENT_LIMIT = 64 * 1024
"""Bytes of an argument that are looked at: nothing that an operator means is longer."""

ABORT_WORDS = ("Abort", State.Aborted.value)
"""The words for the end, as the seed has them, where a state is expected."""


class Kind(StrEnum):
    """The three commands."""

    pause = "pause"
    resume = "resume"
    abort = "abort"


class Refused(Exception):
    """A command that is not carried out; the text says why and what would be accepted."""


class Command(Frozen):
    """A command, understood."""

    kind: Kind
    state: State | None = None
    reason: str = ""
    force: bool = False

    @property
    def words(self) -> str:
        """The command as an operator would say it."""
        return f"{self.kind} {self.state or ''}".strip()


class Answer(Frozen):
    """What became of the last command: its words, and why it was refused, if it was."""

    command: str
    refused: str | None = None


def read(kind: Kind, raw: RawValue | None) -> Command:
    """Return the command that a payload means: nothing, a JSON string, a JSON object, or plain text.

    Raises Refused, and nothing else, whatever the payload holds.
    """
    argument = _argument(raw)
    if argument is None:
        return Command(kind=kind)
    if isinstance(argument, str):
        argument = {"state": argument} if kind is Kind.resume else {"reason": argument}
    if not isinstance(argument, dict):
        raise Refused(f"{kind} takes nothing, a string or an object, not {bounded(repr(argument), 100)}")
    if unknown := sorted(set(argument) - {"state", "reason", "force"}):
        raise Refused(
            f"{kind} does not know {bounded(', '.join(map(str, unknown)), 200)}; it takes state, reason and force"
        )
    understood = _command(kind, argument.get("state"), argument.get("reason"))
    return understood.model_copy(update={"force": argument.get("force") is True})


def _command(kind: Kind, state: object, reason: object) -> Command:
    words = bounded(str(reason), 500) if reason is not None else ""
    if state is None or (state == "" and kind is Kind.resume):
        return Command(kind=kind, reason=words)
    if kind is not Kind.resume:
        raise Refused(f"{kind} takes no state")
    if state in ABORT_WORDS:
        return Command(kind=Kind.abort, reason=words or "resumed to Abort by an operator")
    if not isinstance(state, str) or state not in State.__members__:
        raise Refused(f"there is no state {bounded(repr(state), 100)}")
    return Command(kind=kind, state=State(state), reason=words)


def _argument(raw: RawValue | None) -> Any:  # noqa: ANN401 - any JSON at all may come
    if raw is None or not raw.payload.data:
        return None
    if raw.payload.metadata.get("encoding") == b"binary/null":
        return None
    data = raw.payload.data
    if len(data) > ARGUMENT_LIMIT:
        raise Refused(f"the argument has {len(data)} bytes; at most {ARGUMENT_LIMIT} are read")
    text = data.decode("utf-8", errors="replace")
    try:
        return json.loads(text)
    except RecursionError:
        raise Refused("the argument is nested too deeply") from None
    except ValueError:
        return text.strip()
