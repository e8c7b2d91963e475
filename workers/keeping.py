"""Beside the work: PC1's layers are noted as they come, so that a restart of the machine does not cost hours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from sealing.background import in_thread
from sealing.stores.layers import note_layers

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds between two looks for new layers; of 32 GiB each takes some twenty minutes."""


@asynccontextmanager
async def noting_layers(locations: Iterable[Path], every: float = LOOK_EVERY) -> AsyncIterator[None]:
    """Note the layers of what runs in these locations while inside: each by itself, for a disk may hang."""
    looking = [asyncio.create_task(_look_for_ever(location, every)) for location in locations]
    try:
        yield
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


async def _look_for_ever(location: Path, every: float) -> None:
    said = ""
    while True:
        why = await _looked(location)
        if why and why != said:
            log.warning("layers in %s are not noted, a restart of the machine would cost them: %s", location, why)
        said = why
        await asyncio.sleep(every)


async def _looked(location: Path) -> str:
    """Look once; return what kept it from noting."""
    try:
        await in_thread(note_layers, location)
    except FileNotFoundError:  # what it was at is gone: the next look sees what there is
        return ""
    except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better: nobody else looks
        return str(error) or repr(error)
    return ""
