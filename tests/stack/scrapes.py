"""What the stack's Prometheus has to say."""

from __future__ import annotations

import httpx

from deploy.stack.stack import Stack


async def jobs_up(stack: Stack) -> bool:
    """Tell whether the last scrape of both jobs went well."""
    async with httpx.AsyncClient(base_url=stack.prometheus.url) as http:
        answer = (await http.get("/api/v1/targets")).json()
    health = {target["labels"]["job"]: target["health"] for target in answer["data"]["activeTargets"]}
    return health == {"sealflow": "up", "temporal": "up"}
