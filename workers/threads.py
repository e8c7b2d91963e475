"""The threads in which files are worked on: one store that hangs must hold neither the others nor the worker's end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

COUNT = 64
ENDED_WITHIN = 10.0
"""Seconds that the end waits for what they are at: a copy stops between two chunks, a folder that hangs never does."""


@asynccontextmanager
async def file_threads() -> AsyncIterator[None]:
    """Let ``asyncio.to_thread`` use them. What still hangs at the end is left to the process's own end."""
    loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(COUNT, thread_name_prefix="files")
    loop.set_default_executor(threads)
    try:
        yield
    finally:
        # asyncio.run joins the default executor, without limit: it gets another, like the one that it began with.
        loop.set_default_executor(ThreadPoolExecutor())
        ending = threading.Thread(target=threads.shutdown, name="end of files", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, ENDED_WITHIN)
