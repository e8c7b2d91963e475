"""The connection to Temporal: its data converter, and what must be there before any work: attributes, and keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, TLSConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from sealing import tokens
from sealing.config import Temporal
from sealing.keyring import KeyFileError, Keyring, UnreadableError, read_keys
from workers.encryption import legible
from workers.encryption.codec import converter
from workers.observability import unmeasured
from workers.tls import tls_of, why
from workflows import attributes

log = logging.getLogger(__name__)

_PLAIN = "; if it takes nothing but TLS, set tls = true"
RETRY_PAUSE = 2.0
"""Seconds between two tries to reach Temporal at the start."""


class StartError(Exception):
    """The worker cannot start; the text says why and what to type."""


class TlsError(StartError):
    """Temporal is there, and the connection cannot be encrypted as the configuration and the server want it."""


class KeysError(StartError):
    """The file of keys for payloads cannot be used."""


async def connect(settings: Temporal, patience: float, runtime: Runtime | None = None) -> Client:
    """Connect to Temporal, trying for ``patience`` seconds; ``runtime`` is what measures the client, if anything does.

    Raises StartError with the last reason, and at once for what no waiting cures: a file of keys that cannot be used,
    certificates that do not fit.
    """
    keys, secrets = keys_of(settings), secrets_of(settings)
    give_up = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await _connect_once(settings, keys, secrets, runtime)
        except RuntimeError as error:
            if reason := why(settings, str(error)):
                raise TlsError(f"Temporal at {settings.address}: {reason} (it said: {error})") from error
            if asyncio.get_running_loop().time() >= give_up:
                raise StartError(
                    f"Temporal at {settings.address} does not answer: {error}; start it or correct [temporal] address"
                    f"{_PLAIN if 'after connection' in str(error) and not secrets.tls else ''}"
                ) from error
            log.warning("Temporal at %s does not answer, trying again: %s", settings.address, error)
            await asyncio.sleep(RETRY_PAUSE)


def keys_of(settings: Temporal) -> Keyring:
    """Return the keys for payloads. Raises KeysError."""
    file = settings.payload_key_file
    try:
        return read_keys(file) if file else Keyring()
    except KeyFileError as error:
        raise KeysError(f"payload_key_file = {file}: {error}") from error


@dataclass(frozen=True)
class Secrets:
    """What proves who this is, and what encrypts the connection."""

    api_key: str | None = field(repr=False)
    tls: TLSConfig | bool = field(repr=False)


def secrets_of(settings: Temporal) -> Secrets:
    """Read the files that the settings name. Raises StartError."""
    try:
        key = tokens.of_file(settings.api_key_file) if settings.api_key_file else None
        return Secrets(key, tls_of(settings))
    except ValueError as error:
        raise StartError(str(error)) from error


async def _connect_once(settings: Temporal, keys: Keyring, secrets: Secrets, runtime: Runtime | None) -> Client:
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        data_converter=converter(keys),
        api_key=secrets.api_key,
        tls=secrets.tls,
        runtime=runtime or unmeasured(),
    )


_INDEXED: Mapping[str, IndexedValueType.ValueType] = {
    key.name: cast("IndexedValueType.ValueType", key.indexed_value_type.value) for key in attributes.ALL
}
_PREFIX = "INDEXED_VALUE_TYPE_"

ATTRIBUTE_TYPES: Mapping[str, str] = {
    name: IndexedValueType.Name(kind).removeprefix(_PREFIX).capitalize() for name, kind in _INDEXED.items()
}
"""The search attributes and their types, as the ``temporal`` command names them."""


async def ensure_attributes(client: Client) -> None:
    """Check the search attributes, and register those that are missing: an unknown one wedges a workflow.

    Raises StartError with the command to type, where one has another type or may not be registered.
    """
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError as error:
        raise StartError(f"Temporal does not tell its search attributes: {error}") from error
    missing = {}
    for name, kind in ATTRIBUTE_TYPES.items():
        there = listed.custom_attributes.get(name)
        if there is None:
            missing[name] = kind
        elif there != _INDEXED[name]:
            raise StartError(
                f"search attribute {name} is {IndexedValueType.Name(there)} in namespace {client.namespace}, it must "
                f"be {kind}; type: temporal operator search-attribute remove --name {name} && {_create(client, name)}"
            )
    if missing:
        await _register(client, missing)


async def ensure_legible(client: Client, task_queue: str) -> None:
    """Look whether the fleet's workflows can be read: without their keys every task would fail. Raises StartError."""
    try:
        await legible.check_fleet(client, task_queue)
    except UnreadableError as error:
        raise StartError(f"the fleet {task_queue} cannot be served: {error}") from error
    except RPCError as error:
        raise StartError(f"Temporal does not tell what the fleet {task_queue} is at: {error}") from error


async def _register(client: Client, missing: Mapping[str, str]) -> None:
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={name: _INDEXED[name] for name in missing},
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        commands = " && ".join(_create(client, name) for name in missing)
        raise StartError(
            f"search attributes are missing and may not be registered ({error}); type: {commands}"
        ) from error
    log.info("registered the search attributes %s", ", ".join(missing))


def _create(client: Client, name: str) -> str:
    kind = ATTRIBUTE_TYPES[name]
    return f"temporal operator search-attribute create --namespace {client.namespace} --name {name} --type {kind}"
