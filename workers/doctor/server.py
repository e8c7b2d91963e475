"""Temporal: that it answers, keeps closed workflows, has its search attributes, and that its payloads can be read."""

from __future__ import annotations

import asyncio
import re
import shlex
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sealing.config import Temporal
from sealing.failures import bounded
from sealing.keyring import UnreadableError
from workers.connection import ATTRIBUTE_TYPES, KeysError, StartError, TlsError, connect, keys_of
from workers.devserver import RETENTION
from workers.doctor.checks import CALL_LIMIT, Answer, Check, ok, warning, wrong
from workers.encryption import legible

REASON_LIMIT = 200
"""Characters of the reason why Temporal cannot be reached."""


class Server:
    """The checks of one Temporal server, which share a connection."""

    def __init__(self, settings: Temporal) -> None:
        """Take where the server is. Nothing is connected yet."""
        self._settings = settings
        self._connecting: asyncio.Task[Client] | None = None

    def checks(self) -> list[Check]:
        """Return the checks."""
        return [
            Check("temporal", self.reachable),
            Check("namespace", self.namespace),
            Check("search attributes", self.attributes),
            Check("payloads", self.payloads),
        ]

    async def reachable(self) -> Answer:
        """Look whether the server answers, and which version it is."""
        address = self._settings.address
        try:
            client = await self.client()
        except TlsError as error:
            return wrong(str(error), "put right what it says in [temporal]")
        except (StartError, TimeoutError) as error:
            return wrong(
                f"{address} does not answer: {_reason(error)}",
                "start Temporal there (on one machine: temporal server start-dev), or correct [temporal] address",
            )
        info = await client.workflow_service.get_system_info(
            GetSystemInfoRequest(), timeout=timedelta(seconds=CALL_LIMIT)
        )
        return ok(f"{address}, server {info.server_version}")

    async def namespace(self) -> Answer:
        """Look whether the namespace exists and keeps closed workflows long enough."""
        name, days = self._settings.namespace, RETENTION.days
        try:
            found = await (await self.client()).workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=name), timeout=timedelta(seconds=CALL_LIMIT)
            )
        except (StartError, TimeoutError):
            return _unreached()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return wrong(
                f"there is no namespace {name}",
                f"correct [temporal] namespace, or: {self._command('namespace', 'create', '--retention', f'{days}d')}",
            )
        kept = found.config.workflow_execution_retention_ttl.ToTimedelta()
        if kept < RETENTION:
            return wrong(
                f"{name} keeps closed workflows for {kept}, {days} days are needed",
                self._command("namespace", "update", "--retention", f"{days}d"),
            )
        return ok(f"{name}, keeps closed workflows for {kept.days} days")

    async def attributes(self) -> Answer:
        """Look whether the search attributes are there and of the right types."""
        try:
            listed = await (await self.client()).operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=self._settings.namespace), timeout=timedelta(seconds=CALL_LIMIT)
            )
        except (StartError, TimeoutError):
            return _unreached()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return self._no_namespace()
        there = {name: IndexedValueType.Name(kind) for name, kind in listed.custom_attributes.items()}
        return self._compared(there)

    async def payloads(self) -> Answer:
        """Look whether what the fleet has at Temporal can be read."""
        queue = self._settings.task_queue
        try:
            keys = await asyncio.to_thread(keys_of, self._settings)
            encrypted = await legible.check_fleet(await self.client(), queue)
        except KeysError as error:
            return wrong(str(error), "put that file right; sealflow codec key prints a new line for it")
        except UnreadableError as error:
            return wrong(
                f"fleet {queue}: {error}", "copy the key file of a worker that serves the fleet to this machine"
            )
        except (StartError, TimeoutError):
            return _unreached()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return self._no_namespace()
        if not keys.keys:
            return ok("not encrypted: [temporal] payload_key_file is not set")
        return ok(
            f"encrypted with the key {next(iter(keys.keys))}; {encrypted} running tasks are encrypted, all readable"
        )

    def _no_namespace(self) -> Answer:
        return warning(
            f"not checked: there is no namespace {self._settings.namespace}", "put right the namespace first"
        )

    def _compared(self, there: dict[str, str]) -> Answer:
        """Return the answer for the attributes that are there, by name with their types as the server names them."""
        missing = [name for name in ATTRIBUTE_TYPES if name not in there]
        other = [name for name, kind in ATTRIBUTE_TYPES.items() if there.get(name, _indexed(kind)) != _indexed(kind)]
        if not missing and not other:
            return ok(", ".join(ATTRIBUTE_TYPES))
        texts = [*(f"{name} is missing" for name in missing)]
        texts += [f"{name} is {there[name]}, it must be {ATTRIBUTE_TYPES[name]}" for name in other]
        return wrong("; ".join(texts), self._creation(other, missing))

    def _creation(self, other: list[str], missing: list[str]) -> str:
        """Return the commands that put the attributes right: those of another type must go first."""
        argvs = [["remove", *(word for name in other for word in ("--name", name)), "--yes"]] if other else []
        # One each: of several names with one type, the command (1.5.1) adds the first and says that it added all.
        argvs += [["create", "--name", name, "--type", ATTRIBUTE_TYPES[name]] for name in (*other, *missing)]
        return " && ".join(self._command("search-attribute", *argv) for argv in argvs)

    async def client(self) -> Client:
        """Return the connection. Raises StartError or TimeoutError."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(asyncio.wait_for(self._connect(), CALL_LIMIT))
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Client:
        """Connect, without the keys for payloads where these are wrong: their own check tells it, others need none."""
        try:
            return await connect(self._settings, patience=0)
        except KeysError:
            return await connect(self._settings.model_copy(update={"payload_key_file": None}), patience=0)

    def _command(self, *words: str) -> str:
        """Return a command of ``temporal operator`` for this server, as one types it."""
        given = self._settings
        argv = ["temporal", "operator", *words, "--address", given.address, "--namespace", given.namespace]
        options = {
            "--tls-ca-path": given.tls_ca_file,
            "--tls-cert-path": given.tls_cert_file,
            "--tls-key-path": given.tls_key_file,
            "--tls-server-name": given.tls_server_name,
        }
        argv += ["--tls"] if given.tls else []
        argv += [word for option, value in options.items() if value for word in (option, str(value))]
        # By the environment: everybody on the machine reads command lines.
        key = f'TEMPORAL_API_KEY="$(cat {shlex.quote(str(given.api_key_file))})" ' if given.api_key_file else ""
        return key + shlex.join(argv)


def _indexed(kind: str) -> str:
    """Return the server's name of a type that the ``temporal`` command names ``kind``."""
    return f"INDEXED_VALUE_TYPE_{kind.upper()}"


def _reason(error: Exception) -> str:
    """Return why there is no connection, in the words of the system where the SDK quotes them."""
    if isinstance(error, TimeoutError):
        return f"nothing came within {CALL_LIMIT:g} s"
    text = str(error.__cause__ or error)
    quoted = re.findall(r'message: "([^"]+)"', text)
    return quoted[-1] if quoted else bounded(text, REASON_LIMIT)


def _unreached() -> Answer:
    return warning("not checked: Temporal does not answer", "put right temporal first")
