"""A production Temporal server that speaks TLS alone and wants its clients' certificates; its data is in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.client import Client, TLSConfig
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.stack.part import Part
from deploy.stack.ports import Ports
from deploy.stack.programs import find_built
from deploy.stack.temporal import configuration
from tests.world.certificates import SERVER_NAME, Authority
from workers.devserver import LOOPBACK

ENVIRONMENT = "tls"
MEMORY = {
    "pluginName": "sqlite",
    "databaseName": "default",
    "connectAddr": "localhost",
    "connectProtocol": "tcp",
    "connectAttributes": {"mode": "memory", "cache": "shared", "setup": "true"},
    "maxConns": 1,
    "maxIdleConns": 1,
}


class TlsServer(Part):
    """The server. ``authority`` has vouched for it, and for those whom it answers."""

    name = "Temporal server with TLS"

    def __init__(self, folder: Path) -> None:
        """Make its certificates."""
        super().__init__(folder, folder / "log")
        folder.mkdir()
        self.ports = Ports.free()
        self.authority = Authority(folder, "authority")
        self.own, self.client = self.authority.pair("server"), self.authority.pair("worker")

    @property
    def address(self) -> str:
        """Where clients find it, ``host:port``."""
        return f"{LOOPBACK}:{self.ports.temporal}"

    def argv(self) -> list[str]:
        """Return how it is started."""
        where = ["--root", str(self.folder), "--config", ".", "--env", ENVIRONMENT]
        return [str(find_built("temporal-server")), *where, "--allow-no-auth", "start"]

    async def prepare(self) -> None:
        """Write its configuration."""
        file = self.folder / f"{ENVIRONMENT}.yaml"
        file.write_text(json.dumps(self._configuration()))

    def _configuration(self) -> Mapping[str, Any]:
        plain = configuration(self.ports, "")
        persistence = {**plain["persistence"], "numHistoryShards": 1}
        persistence["datastores"] = {name: {"sql": MEMORY} for name in persistence["datastores"]}
        trusted = {"serverName": SERVER_NAME, "rootCaFiles": [str(self.authority.file)]}
        pair = {"certFile": str(self.own.cert), "keyFile": str(self.own.key)}
        asking = {"requireClientAuth": True, "clientCaFiles": [str(self.authority.file)]}
        tls = {
            "frontend": {"server": {**pair, **asking}, "client": trusted},
            "systemWorker": {**pair, "client": trusted},
        }
        return {**plain, "persistence": persistence, "global": {**plain["global"], "tls": tls}}

    async def answers(self) -> bool:
        """Tell whether a client can connect."""
        try:
            await self.connect()
        except RuntimeError:
            return False
        return True

    async def connect(self) -> Client:
        """Connect as the tests' own client."""
        return await Client.connect(
            self.address,
            data_converter=pydantic_data_converter,
            tls=TLSConfig(
                server_root_ca_cert=self.authority.file.read_bytes(),
                client_cert=self.client.cert.read_bytes(),
                client_private_key=self.client.key.read_bytes(),
            ),
        )
