"""Temporal's Web UI."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.stack.part import Part, reached
from deploy.stack.programs import find_built
from workers.devserver import LOOPBACK, NAMESPACE

ENVIRONMENT = "stack"


class WebUi(Part):
    """The program that serves the pages, and asks the server for what is on them."""

    name = "Web UI"

    def __init__(self, folder: Path, log: Path, port: int, temporal: str) -> None:
        """Take where its configuration and its log go, where it listens, and the server's address."""
        super().__init__(folder, log)
        self.port = port
        self.temporal = temporal

    @property
    def url(self) -> str:
        """Its address, without a closing slash."""
        return f"http://{LOOPBACK}:{self.port}"

    def argv(self) -> list[str]:
        """Return how it is started."""
        where = ["--root", str(self.folder), "--config", ".", "--env", ENVIRONMENT]
        return [str(find_built("temporal-ui-server")), *where, "start"]

    async def prepare(self) -> None:
        """Write its configuration."""
        await super().prepare()
        settings = {
            "temporalGrpcAddress": self.temporal,
            "host": LOOPBACK,
            "port": self.port,
            "enableUi": True,
            "defaultNamespace": NAMESPACE,
            # It would ask a server on the internet.
            "notifyOnNewVersion": False,
        }
        (self.folder / f"{ENVIRONMENT}.yaml").write_text(json.dumps(settings, indent=2))

    async def answers(self) -> bool:
        """Tell whether it serves."""
        return await reached(f"{self.url}/healthz")
