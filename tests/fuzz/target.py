"""What a target is, and what the targets share."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

CORPUS = Path(__file__).with_name("corpus")
LIMIT = 1 << 16
"""Bytes of an input at most."""


@dataclass(frozen=True)
class Target:
    """A parser: what reads the bytes, the errors that it documents, and words that its inputs are made of.

    ``run`` also checks what must hold of a result. An error that is not ``allowed``, a second of computing, or memory
    beyond the limit is a finding.
    """

    name: str
    run: Callable[[bytes], None]
    allowed: tuple[type[BaseException], ...] = ()
    words: tuple[bytes, ...] = ()

    def take(self, data: bytes) -> None:
        """Run it on an input. Raises what is a finding, and nothing that the parser documents."""
        try:
            self.run(data)
        except self.allowed as error:
            check_text(str(error))

    @property
    def seeds(self) -> list[Path]:
        """The files of its corpus."""
        return sorted((CORPUS / self.name).iterdir())


@cache
def folder() -> Path:
    """Return a folder of this process in which parsers of files find theirs; it goes with the process."""
    made = Path(tempfile.mkdtemp(prefix="sealflow-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def written(name: str, data: bytes) -> Path:
    """Return a file with this content."""
    path = folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def text_of(data: bytes) -> str:
    """Return any bytes as a text, as what came by JSON or TOML would be: without halves of characters."""
    return data.decode(errors="replace")


def head_and_rest(data: bytes) -> tuple[list[str], bytes]:
    """Return the words of an input's first line, which choose what is done, and the bytes behind it."""
    head, _, rest = data.partition(b"\n")
    return head.decode(errors="replace").split(), rest


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    msg = "the coroutine waits for something"
    raise RuntimeError(msg)


@cache
def _runner() -> asyncio.Runner:
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


def in_loop(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that needs an event loop, which is slower."""
    _runner().run(coroutine)


def check_text(text: str) -> None:
    """Check that a text can be sent and stored: what is said of a bad input is itself no bad input, and bounded."""
    assert len(text.encode()) < LIMIT, f"a text of {len(text)} characters"
