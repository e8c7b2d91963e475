"""A plant whose payloads are encrypted, and what of it can be read at the Temporal server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client

from sealing.config import Temporal
from sealing.keyring import new_line
from tests.encryption.files import key_file
from tests.world.plant import Plant, plant
from workers.connection import connect


async def with_keys(plain: Client, file: Path | None) -> Client:
    """Return a client of the same server that has the keys of a file."""
    return await connect(Temporal(address=plain.service_client.config.target_host, payload_key_file=file), 10)


@asynccontextmanager
async def encrypted_plant(plain: Client, folder: Path, **varied: Any) -> AsyncIterator[Plant]:
    """Build a plant with a key of its own, whose client has it."""
    file = key_file(folder, new_line("first") + "\n")
    client = await with_keys(plain, file)
    async with plant(client, folder, fleet=f'payload_key_file = "{file}"', **varied) as built:
        yield built


async def kept(built: Plant, *workflow_ids: str) -> bytes:
    """Return the bytes of all that the server has of workflows: each event, and what is pending."""
    found = b""
    for each in workflow_ids:
        handle = built.client.get_workflow_handle(each)
        async for event in handle.fetch_history_events():
            found += event.SerializeToString()
        found += (await handle.describe()).raw_description.SerializeToString()
    return found
