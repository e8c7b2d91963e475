"""The kinds of values in the configuration. Each refuses a wrong one with a sentence that says what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from sealing import tokens
from sealing.addresses import NETWORK_EXAMPLE, Network, host_port, http_base, network
from sealing.processors.placement import parse_cpus
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

UNKNOWN_STAGE = "unknown_stage"
"""The kind of error for a stage's name that is none: like an unknown key it is told, and ignored."""

OUR_PROGRAM = "seal-processor"
"""The name of our own program of the stages."""

SIMULATED = "simulated"
"""The program's name to type for the processor that computes nothing."""

SHARED_STAGES = ("c2", "snap_prove")
"""Stages that need no file of the sector: a machine without a thread and a store can prove for others."""

NAME_LIMIT = 200
"""Bytes of a worker's name, which is a queue's name, a folder's, and a part of workflow ids."""

_SIZE_OF = {size: name for name, size in SECTOR_SIZES.items()}
_BAD_IN_NAMES = re.compile(r"[\s/\\'\"`\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Words:
    """How the documentation names a kind of value."""

    text: str


@dataclass(frozen=True)
class DefaultWords:
    """How the documentation names a default that is worked out."""

    text: str


OURS = Words("ours")
"""Marks a key of ours in a table of the other worker's, which ignores it."""


def _from_text(kind: type[T] | UnionType, parse: Callable[[str], T], example: str) -> Callable[[object], T]:
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


def _size_name(text: str) -> str:
    """Return a sector size's one name: people write 32GiB also as "32 GiB"."""
    try:
        return _SIZE_OF[parse_size(text)]
    except (KeyError, ValueError):
        raise ValueError(f"no sector has this size; write one of {', '.join(SECTOR_SIZES)}") from None


def _stage(name: str) -> str:
    if name not in STAGES:
        raise PydanticCustomError(UNKNOWN_STAGE, "no stage has this name")
    return name


def queue_name(name: str) -> str:
    """Return ``name`` when it can be a queue's name. Raises ValueError that says what would be right."""
    if name in {"", ".", ".."} or len(name.encode(errors="replace")) > NAME_LIMIT or _BAD_IN_NAMES.search(name):
        raise ValueError(f"write a name of 1 to {NAME_LIMIT} bytes without spaces, slashes, backslashes or quotes")
    return name


def absolute(path: str) -> Path:
    """Return ``path`` against the folder that this process was started in. Raises ValueError for none."""
    if not path:
        msg = "write the path of a folder or file"
        raise ValueError(msg)
    if "\0" in path:
        msg = "holds a character that no path can have; write the path of a folder or file"
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


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("write the name of an environment variable, not what it holds")
    return name


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"write {SIZE_EXAMPLE}")
    return value


Duration = Annotated[
    timedelta, PlainValidator(_from_text(timedelta, parse_duration, DURATION_EXAMPLE)), Words("duration")
]
Size = Annotated[int, PlainValidator(_bytes), Words("size")]
FilePath = Annotated[Path, PlainValidator(_from_text(Path, absolute, "a path in quotes")), Words("path")]
"""A path, made absolute against the folder that the worker was started in."""
Exchange = Annotated[str, AfterValidator(_exchange), Words("path, or `s3://bucket/prefix`")]
"""A folder's path, made absolute, or a place in S3."""
Plan = Annotated[str, AfterValidator(_plan), Words("`sealer` or `snapup`")]
StageName = Annotated[str, AfterValidator(_stage), Words("stage")]
SizeName = Annotated[str, AfterValidator(_size_name), Words("sector size")]
QueueName = Annotated[str, AfterValidator(queue_name), Words("name")]
Token = Annotated[str, AfterValidator(tokens.checked), Words("text")]
CpuList = Annotated[str, AfterValidator(_checked(parse_cpus)), Words("list of CPUs")]
HttpAddress = Annotated[str, AfterValidator(_checked(http_base)), Words("URL or multiaddr")]
HostPort = Annotated[str, AfterValidator(_checked(host_port)), Words("host:port")]
AddressRange = Annotated[
    Network, PlainValidator(_from_text(Network, network, NETWORK_EXAMPLE)), Words("IP address or network")
]
"""Addresses that may call."""
Variable = Annotated[str, AfterValidator(_variable), Words("name of a variable")]
Port = Annotated[int, Field(ge=0, le=65535), Words("port")]
"""A port to serve on; 0 takes any that is free."""
Count = Annotated[int, Field(ge=1), Words("number from 1")]
CountOrNone = Annotated[int, Field(ge=0), Words("number from 0")]
ActorId = Annotated[int, Field(ge=0, lt=2**64), Words("actor id")]
