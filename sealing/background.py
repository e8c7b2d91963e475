"""Long blocking work beside the event loop: told to end when nobody waits for it, and signs of life meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

R = TypeVar("R")
P = ParamSpec("P")
BEAT = 1.0
"""Seconds between two signs of life."""
Check = Callable[[], None]
"""Called between the parts of long work in a thread; raises LetGo once nobody waits for it any more."""


class LetGo(Exception):
    """Nobody waits any more for what a thread does."""


async def in_thread(work: Callable[Concatenate[Check, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do ``work`` in a thread. Cancelled, it is left alone, and its check raises LetGo."""
    gone = threading.Event()

    def check() -> None:
        if gone.is_set():
            raise LetGo

    try:
        return await asyncio.to_thread(work, check, *args, **kwargs)
    except asyncio.CancelledError:
        gone.set()
        raise


async def beating(work: Coroutine[Any, Any, R], beat: Callable[[], None], every: float = BEAT) -> R:
    """Return the result of ``work`` and call ``beat`` every so many seconds until it is there."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=every))[0]:
            beat()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # looked at, so that nobody logs it as forgotten
    return task.result()
