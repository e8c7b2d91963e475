"""What an operator may order, and how a signal's or an update's argument is read, whoever sends it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar, cast

from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from sealing.failures import bounded
from sealing.flow.state import State
from sealing.values import Frozen, SectorId

UNREADABLE = b"binary/unreadable"
"""The encoding of what stands in place of an argument that this worker has no key for: the reason, as text."""
ARGUMENT_LIMIT = 64 * 1024
"""Bytes of an argument that are looked at: nothing that an operator means is longer."""

H = TypeVar("H", bound=Callable[..., Any])

ABORT_WORDS = ("Abort", State.Aborted.value)
"""The words for the end, as the seed has them, where a state is expected."""


CONTROL = 'The commands with an answer: "pause" or {"command": "resume", "state": "TreeDBuilt"}.'
"""What clients are told of the update ``control``."""


class Kind(StrEnum):
    """The three commands."""

    pause = "pause"
    resume = "resume"
    abort = "abort"


FIELDS = {
    Kind.pause: ("reason", "now", "sector"),
    Kind.resume: ("state", "reason", "force", "sector"),
    Kind.abort: ("reason", "force", "sector"),
}
"""What the object that comes with each command may hold."""
FLAGS = ("force", "now")


class Refused(Exception):
    """A command that is not carried out; the text says why and what would be accepted."""


def refused_update(why: str) -> ApplicationError:
    """Return what an update fails with, so that its sender sees the reason."""
    return ApplicationError(why, type=Refused.__name__, non_retryable=True)


class Command(Frozen):
    """A command, understood."""

    kind: Kind
    state: State | None = None
    reason: str = ""
    force: bool = False
    """Resume: although a pre-commit was sent. Abort: without waiting for the sector's machine."""
    now: bool = False
    """Pause: stop the running computation as well."""
    sector: str = ""
    """The sector that is meant, such as ``s-t01000-5``: for another, which a thread may have by then, it is refused."""

    @property
    def words(self) -> str:
        """The command as an operator would say it."""
        flags = [name for name in FLAGS if getattr(self, name)]
        said = " ".join(filter(None, [self.kind, self.state or "", *flags]))
        return f"{said}: {self.reason}" if self.reason else said

    def argument(self) -> dict[str, object]:
        """Return the object that means this command, as a signal's argument."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})

    def check_meant(self, sector: SectorId | None) -> None:
        """Raise Refused where another sector is meant than this, or there is none."""
        if self.sector and self.sector != str(sector):
            raise Refused(f"{self.sector} is meant, and here is {sector or 'no sector'}: nothing was done")


class NoSuchState(Refused):
    """A state that no flow has."""


class Answer(Frozen):
    """What became of a command: its words, the state that the task was in after it, and why it was refused, if so."""

    command: str
    state: State | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Several:
    """What came in place of one argument: so many."""

    count: int


def one_argument(handler: H) -> H:
    """Let a signal's handler refuse several arguments: called with all of them, it would fail the workflow's task.

    The SDK reads the signature of the handler itself, so that a single payload still arrives as it is.
    """
    if inspect.iscoroutinefunction(handler):

        @wraps(handler)
        async def called_later(workflow: object, *arguments: object) -> None:
            await handler(workflow, *_one(arguments))

        return cast("H", called_later)

    @wraps(handler)
    def called(workflow: object, *arguments: object) -> None:
        handler(workflow, *_one(arguments))

    return cast("H", called)


def _one(arguments: tuple[object, ...]) -> tuple[object, ...]:
    return (Several(len(arguments)),) if len(arguments) > 1 else arguments


def read(kind: Kind, raw: RawValue | Several | None) -> Command:
    """Return the command that a signal's payload means: nothing, a JSON string, a JSON object, or plain text.

    Raises Refused, and nothing else, whatever the payload holds.
    """
    return _understood(kind, _argument(raw))


def read_control(raw: RawValue | None) -> Command:
    """Return the command that the update ``control`` means: ``"pause"`` or ``{"command": "resume", "state": …}``.

    Raises Refused, and nothing else.
    """
    argument = _argument(raw)
    if isinstance(argument, str):
        argument = {"command": argument}
    if not isinstance(argument, dict):
        raise Refused(f'control takes a command, such as {{"command": "resume"}}, not {_shown(argument)}')
    name = argument.get("command")
    if not isinstance(name, str) or name not in Kind.__members__:
        raise Refused(f"there is no command {_shown(name)}; there are {', '.join(Kind)}")
    rest = {key: value for key, value in argument.items() if key != "command"}
    return _understood(Kind(name), rest or None)


def _understood(kind: Kind, argument: object) -> Command:
    if argument is None or argument == "":
        return Command(kind=kind)
    if isinstance(argument, str):
        argument = {"state": argument} if kind is Kind.resume else {"reason": argument}
    if not isinstance(argument, dict):
        raise Refused(f"{kind} takes nothing, a string or an object, not {_shown(argument)}")
    known = FIELDS[kind]
    if unknown := sorted(set(argument) - set(known)):
        raise Refused(
            f"{kind} does not know {bounded(_sendable(', '.join(unknown)), 200)}; it takes {', '.join(known)}"
        )
    flags = {name: _flag(name, argument.get(name)) for name in FLAGS}
    reason = argument.get("reason")
    words = bounded(_sendable(str(reason)), 500) if reason is not None else ""
    command = Command(kind=kind, reason=words, sector=_meant(argument.get("sector")), **flags)
    return _to_state(command, argument.get("state"))


def _meant(name: object) -> str:
    """Return the name of the sector that is meant; nothing where none is named."""
    if name is None or name == "":
        return ""
    sector = SectorId.named(name) if isinstance(name, str) else None
    if sector is None:
        raise Refused(f"sector is named as in s-t01000-1, not {_shown(name)}")
    return str(sector)


def _flag(name: str, value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Refused(f"{name} is true or false, not {_shown(value)}")


def _to_state(command: Command, state: object) -> Command:
    """Return the command with the state that it names. A resume to the end is an abort."""
    if state is None or state == "":
        return command
    if state in ABORT_WORDS:
        reason = command.reason or "resumed to Abort by an operator"
        return command.model_copy(update={"kind": Kind.abort, "reason": reason})
    if not isinstance(state, str) or state not in State.__members__:
        raise NoSuchState(f"there is no state {_shown(state)}")
    return command.model_copy(update={"state": State(state)})


def _sendable(text: str) -> str:
    """Return a text as it can be sent on: JSON may hold halves of characters, which no encoding of ours takes."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _shown(value: object) -> str:
    return bounded(repr(value), 200)


def _argument(raw: RawValue | Several | None) -> Any:  # noqa: ANN401 - any JSON at all may come
    if isinstance(raw, Several):
        raise Refused(f"a command takes one argument at most, not {raw.count}")
    if raw is None or not raw.payload.data:
        return None
    if raw.payload.metadata.get("encoding") == b"binary/null":
        return None
    data = raw.payload.data
    if raw.payload.metadata.get("encoding") == UNREADABLE:
        raise Refused(bounded(data.decode("utf-8", errors="replace"), 500))
    if len(data) > ARGUMENT_LIMIT:
        raise Refused(f"the argument has {len(data)} bytes; at most {ARGUMENT_LIMIT} are read")
    text = data.decode("utf-8", errors="replace")
    try:
        return json.loads(text)
    except RecursionError:
        raise Refused("the argument is nested too deeply") from None
    except ValueError:
        return text.strip()
