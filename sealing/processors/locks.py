"""Locks on files, held by open file descriptions: they end with the last process that has them, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from sealing.stores import durable

LOOK_AGAIN = 0.02
"""Seconds between two tries to get a lock that somebody holds for a moment."""


def is_held(path: Path) -> bool:
    """Tell whether somebody holds ``path``. A file that is not there is not held."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Hold ``path`` and return the descriptor that holds it, or None if somebody does already.

    Only one caller at a time may try this for a path (see ``alone``). Those who look at the lock by ``is_held`` share
    it for a moment: waiting for them is what the second step does.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if not _locked(descriptor, fcntl.LOCK_SH):
        os.close(descriptor)
        return None
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


@contextlib.contextmanager
def alone(path: Path, check: Callable[[], None]) -> Iterator[None]:
    """Be the only one inside for ``path``. ``check`` is called while waiting; what it raises ends the wait."""
    durable.make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _locked(descriptor, fcntl.LOCK_EX):
            check()
            time.sleep(LOOK_AGAIN)
        yield
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def alone_meanwhile(path: Path) -> AsyncIterator[None]:
    """Be the only one inside for ``path``, over work that the event loop waits for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _locked(descriptor, fcntl.LOCK_EX):  # noqa: ASYNC110 - others hold it, perhaps in another process
            await asyncio.sleep(LOOK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
