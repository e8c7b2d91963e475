"""The Temporal server on PostgreSQL: its tables, its configuration, its four services in one process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.client import Client

from deploy.stack.part import Part, StackError
from deploy.stack.ports import Ports
from deploy.stack.postgres import USER, Postgres
from deploy.stack.programs import find_built, with_this_process
from workers.devserver import LOOPBACK

DYNAMIC = Path(__file__).parents[1] / "temporal" / "dynamicconfig.yaml"
"""What can be changed while the server runs; compose mounts the same file."""
PLUGIN = "postgres12_pgx"
STORE, VISIBILITY = "temporal", "temporal_visibility"
SCHEMAS = {STORE: "postgresql/v12/temporal", VISIBILITY: "postgresql/v12/visibility"}
"""The databases, and what their tables are called inside the schema tool, which has them with it."""
SHARDS = 4
"""Enough for thousands of sectors: each has a few steps a minute. It can never be changed."""
CONNECTIONS = 20
CLUSTER = "active"
ENVIRONMENT = "stack"
"""The configuration file's name."""


class TemporalServer(Part):
    """The server, with its database."""

    name = "Temporal server"

    def __init__(self, folder: Path, log: Path, ports: Ports, database: Postgres) -> None:
        """Take where its configuration and its log go, where it listens, and what it keeps its data in."""
        super().__init__(folder, log)
        self.ports = ports
        self.database = database

    @property
    def address(self) -> str:
        """Where clients find it, ``host:port``."""
        return f"{LOOPBACK}:{self.ports.temporal}"

    def argv(self) -> list[str]:
        """Return how it is started."""
        where = ["--root", str(self.folder), "--config", ".", "--env", ENVIRONMENT]
        # There is no authorizer: who can reach the loopback interface may do all.
        return [str(find_built("temporal-server")), *where, "--allow-no-auth", "start"]

    async def answers(self) -> bool:
        """Tell whether a client can connect."""
        try:
            await Client.connect(self.address)
        except RuntimeError:
            return False
        return True

    async def prepare(self) -> None:
        """Make its databases or bring them to this version, and write its configuration."""
        await super().prepare()
        for database in SCHEMAS:
            await self._tool(database, "create-database")
        await asyncio.gather(*(self._bring_up_to_date(*each) for each in SCHEMAS.items()))
        file = self.folder / f"{ENVIRONMENT}.yaml"
        file.touch()
        file.chmod(0o600)  # before the database's password is in it
        file.write_text(json.dumps(configuration(self.ports, self.database.password), indent=2))

    async def _bring_up_to_date(self, database: str, schema: str) -> None:
        """Bring a database's tables to this version of the server. What is there stays."""
        await self._tool(database, "setup-schema", "--version", "0.0")
        await self._tool(database, "update-schema", "--schema-name", schema)

    async def _tool(self, database: str, *arguments: str) -> None:
        argv = [str(find_built("temporal-sql-tool")), "--plugin", PLUGIN, "--endpoint", LOOPBACK]
        argv += ["--port", str(self.ports.postgres), "--user", USER, "--database", database, *arguments]
        process = await asyncio.create_subprocess_exec(
            *with_this_process(argv, "TERM"),
            # Not on the command line, which everybody on the machine can read.
            env={**os.environ, "SQL_PASSWORD": self.database.password},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise StackError(f"the tables of Temporal could not be made, {arguments[0]}:\n{said.decode()}")


def configuration(ports: Ports, password: str) -> Mapping[str, Any]:
    """Return the server's static configuration."""
    return {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": STORE,
            "visibilityStore": VISIBILITY,
            "numHistoryShards": SHARDS,
            "datastores": {name: {"sql": _store(name, ports.postgres, password)} for name in SCHEMAS},
        },
        "global": {
            "membership": {"maxJoinDuration": "30s", "broadcastAddress": LOOPBACK},
            "metrics": {
                "prometheus": {"timerType": "histogram", "listenAddress": f"{LOOPBACK}:{ports.temporal_metrics}"}
            },
        },
        "services": {
            "frontend": _service(ports.temporal, ports.frontend_membership),
            "history": _service(ports.temporal_history, ports.history_membership),
            "matching": _service(ports.temporal_matching, ports.matching_membership),
            "worker": _service(ports.temporal_worker, ports.worker_membership),
        },
        "clusterMetadata": _cluster(ports),
        "dcRedirectionPolicy": {"policy": "noop"},
        "dynamicConfigClient": {"filepath": str(DYNAMIC), "pollInterval": "60s"},
    }


def _store(database: str, port: int, password: str) -> Mapping[str, Any]:
    return {
        "pluginName": PLUGIN,
        "databaseName": database,
        "connectAddr": f"{LOOPBACK}:{port}",
        "connectProtocol": "tcp",
        "user": USER,
        "password": password,
        "maxConns": CONNECTIONS,
        "maxIdleConns": CONNECTIONS,
        "maxConnLifetime": "1h",
    }


def _service(port: int, membership: int) -> Mapping[str, Any]:
    return {"rpc": {"grpcPort": port, "membershipPort": membership, "bindOnLocalHost": True}}


def _cluster(ports: Ports) -> Mapping[str, Any]:
    here = {"enabled": True, "initialFailoverVersion": 1, "rpcName": "frontend"}
    return {
        "enableGlobalNamespace": False,
        "failoverVersionIncrement": 10,
        "masterClusterName": CLUSTER,
        "currentClusterName": CLUSTER,
        "clusterInformation": {CLUSTER: {**here, "rpcAddress": f"{LOOPBACK}:{ports.temporal}"}},
    }
