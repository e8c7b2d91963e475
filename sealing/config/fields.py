"""The kinds of values in the configuration. Each refuses a wrong one with a sentence that says what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from sealing.addresses import host_port, http_base
from sealing.proofs import SECTOR_SIZES
from sealing.units import DURATION_EXAMPLE, SIZE_EXAMPLE, parse_duration, parse_size

T = TypeVar("T")

PLANS: tuple[str, ...] = ("sealer", "snapup")
"""Plans that a thread can run."""

REFUSED_PLANS = {
    "rebuild": "rebuilding sectors is not supported; leave this thread to the other worker",
    "unseal": "unsealing is not supported; leave this thread to the other worker",
    "wdpost": "window PoSt is not supported; leave this thread to the other worker",
    "niporep": "non-interactive PoRep is not supported",
}
"""Plans that the other worker knows and this one refuses, with the reason."""

STAGES = (
    "add_pieces",
    "tree_d",
    "pc1",
    "pc2",
    "synthetic_proofs",
    "c1",
    "c2",
    "verify_seal",
    "snap_encode",
    "snap_vanilla",
    "snap_prove",
    "verify_snap",
    "transfer",
    "unseal",
    "window_post",
    "winning_post",
)
"""Stages that limits, times and processors can be set for: the other worker's and those of our own program."""

SHARED_STAGES = ("c2", "snap_prove")
"""Stages that need no file of the sector but their input, so that other machines can run them."""

UNKNOWN_STAGE = "unknown_stage"
"""The kind of error for a stage's name that is none: like an unknown key it is told, and ignored."""

SIMULATED = "simulated"
"""The program's name to type for the processor that computes nothing."""

NAME_LIMIT = 200
"""Characters of a worker's name, which is a queue's name and a part of workflow ids."""

_BAD_IN_NAMES = re.compile(r"[\s/\\'\"`\x00-\x1f\x7f]")


def _from_text(kind: type[T], parse: Callable[[str], T], example: str) -> Callable[[object], T]:
    def read(value: object) -> T:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise ValueError(f"write {example}")  # noqa: TRY004, pydantic collects ValueError only
        return parse(value)

    return read


def _checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    def check(value: str) -> str:
        parse(value)
        return value

    return check


def _plan(name: str) -> str:
    if name in PLANS:
        return name
    supported = f"supported: {', '.join(PLANS)}"
    if name in REFUSED_PLANS:
        raise ValueError(f"{REFUSED_PLANS[name]}; {supported}")
    raise ValueError(f"no plan has this name; {supported}")


def _size_name(name: str) -> str:
    if name not in SECTOR_SIZES:
        raise ValueError(f"no sector has this size; write one of {', '.join(SECTOR_SIZES)}")
    return name


def _stage(name: str) -> str:
    if name not in STAGES:
        raise PydanticCustomError(UNKNOWN_STAGE, "no stage has this name")
    return name


def queue_name(name: str) -> str:
    """Return ``name`` when it can be a queue's name. Raises ValueError that says what would be right."""
    if not name or len(name) > NAME_LIMIT or _BAD_IN_NAMES.search(name):
        raise ValueError(f"write a name of 1 to {NAME_LIMIT} characters without spaces, slashes, backslashes or quotes")
    return name


def _token(token: str) -> str:
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError("write the token alone: letters, digits and signs, without spaces and line ends")
    return token


def absolute(path: str) -> Path:
    """Return ``path`` against the folder that this process was started in. Raises ValueError for none."""
    if not path:
        msg = "write the path of a folder or file"
        raise ValueError(msg)
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"write a path without ~ ({error})") from None


def _exchange(place: str) -> str:
    if place.startswith("s3://"):
        if not place.removeprefix("s3://").partition("/")[0]:
            raise ValueError("write s3://bucket, or s3://bucket/prefix")
        return place.rstrip("/")
    if "://" in place:
        raise ValueError("write the path of a folder that all machines mount, or s3://bucket/prefix")
    return str(absolute(place))


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"write {SIZE_EXAMPLE}")
    return value


Duration = Annotated[timedelta, PlainValidator(_from_text(timedelta, parse_duration, DURATION_EXAMPLE))]
Size = Annotated[int, PlainValidator(_bytes)]
FilePath = Annotated[Path, PlainValidator(_from_text(Path, absolute, "a path in quotes"))]
"""A path, made absolute against the folder that the worker was started in."""
Exchange = Annotated[str, AfterValidator(_exchange)]
"""A folder's path, made absolute, or a place in S3."""
Plan = Annotated[str, AfterValidator(_plan)]
StageName = Annotated[str, AfterValidator(_stage)]
SizeName = Annotated[str, AfterValidator(_size_name)]
QueueName = Annotated[str, AfterValidator(queue_name)]
Token = Annotated[str, AfterValidator(_token)]
HttpAddress = Annotated[str, AfterValidator(_checked(http_base))]
HostPort = Annotated[str, AfterValidator(_checked(host_port))]
Port = Annotated[int, Field(ge=0, le=65535)]
"""A port to serve on; 0 takes any that is free."""
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
ActorId = Annotated[int, Field(ge=0, lt=2**64)]
