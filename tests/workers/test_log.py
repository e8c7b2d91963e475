"""What a worker logs, also of what the SDK's core has to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.survival.program import program
from tests.world.plant import plant
from tests.world.relay import relayed

pytestmark = pytest.mark.server


async def test_every_line_is_json_where_that_is_asked_for(temporal: Client, tmp_path: Path) -> None:
    """While Temporal is away too, of which the core speaks, and not Python."""
    address = temporal.service_client.config.target_host
    async with plant(temporal, tmp_path) as built, relayed(int(address.rpartition(":")[2])) as relay:
        built.file.write_text(built.file.read_text().replace(address, f"127.0.0.1:{relay.port}"))
        async with program(built, SEALFLOW_LOG="json") as worker:

            def lines() -> list[dict[str, Any]]:
                return [json.loads(line) for line in worker.log.read_text().splitlines()]

            await built.until(
                lambda: any("serves queues" in line["message"] for line in lines()), "the worker to serve"
            )
            relay.cut()
            await built.until(lambda: any(line["logger"] == "temporalio.core" for line in lines()), "the core's word")
            relay.mend()
            await built.finished()
            assert {line["level"] for line in lines() if line["logger"] == "temporalio.core"} == {"warning"}
