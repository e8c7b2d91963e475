"""Prometheus, run as the program that it is, and asked by its HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import yaml

from tests.needs import need
from workers.children import Child
from workers.devserver import pick_port

HOW_TO_GET = "make setup-system"
SCRAPED_EVERY = "1s"
READY_WITHIN = 30.0
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"


@asynccontextmanager
async def prometheus(folder: Path, jobs: Mapping[str, Sequence[str]]) -> AsyncIterator[str]:
    """Run Prometheus with our rules, scraping each job's targets, ``host:port``. Gives its URL."""
    program, port = need("prometheus", HOW_TO_GET), pick_port(None)
    file = _configured(folder, jobs)
    listen = f"127.0.0.1:{port}"
    argv = [str(program), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    child = await Child.start("Prometheus", [*argv, f"--web.listen-address={listen}"], folder / "log")
    try:
        await asyncio.wait_for(_ready(child, f"http://{listen}"), READY_WITHIN)
        yield f"http://{listen}"
    finally:
        await child.stop()


def _configured(folder: Path, jobs: Mapping[str, Sequence[str]]) -> Path:
    folder.mkdir()
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(_configuration(jobs)))
    return file


def _configuration(jobs: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {
        "global": {"scrape_interval": SCRAPED_EVERY, "scrape_timeout": SCRAPED_EVERY, "evaluation_interval": "5s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": list(targets)}]} for name, targets in jobs.items()
        ],
    }


async def _ready(child: Child, url: str) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            child.check()
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(f"{url}/-/ready")).is_success:
                    return
            await asyncio.sleep(0.1)
