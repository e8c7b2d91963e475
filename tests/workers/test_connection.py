"""Search attributes are looked at before any work: an unknown one would wedge every workflow."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from workers.connection import ATTRIBUTE_TYPES, StartError, ensure_attributes
from workers.devserver import DevServer

pytestmark = pytest.mark.server


async def test_missing_search_attributes_are_registered(tmp_path: Path) -> None:
    """A worker that may register them does so, and a second look finds nothing to do."""
    async with DevServer(tmp_path, port=None, headless=True) as server:
        client = await Client.connect(server.address)
        await ensure_attributes(client)
        await ensure_attributes(client)
        listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    assert ATTRIBUTE_TYPES.keys() <= listed.custom_attributes.keys()


async def test_a_search_attribute_of_another_type_stops_the_worker_with_the_command(tmp_path: Path) -> None:
    """What is wrong, in which namespace, and what to type."""
    async with DevServer(tmp_path, {"SealState": "Int"}, port=None, headless=True) as server:
        client = await Client.connect(server.address)
        with pytest.raises(StartError) as refused:
            await ensure_attributes(client)
    said = str(refused.value)
    assert "SealState" in said
    assert "must be Keyword" in said
    assert "temporal operator search-attribute create --namespace default --name SealState --type Keyword" in said
