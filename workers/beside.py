"""What a worker does beside its work for as long as it runs. Where that fails it is told, and nothing else ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], failed: str) -> AsyncIterator[None]:
    """Do something while the ``async with`` lasts; ``failed`` is what its failure means to an operator."""

    def tell(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: %r", failed, error)

    task = asyncio.create_task(work)
    task.add_done_callback(tell)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
