"""How a command runs: the connection, the options that all share, and the exit status."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from pydantic import ValidationError
from temporalio.client import Client

from sealing.config import Config, ConfigError, Temporal, load
from sealing.keyring import FILE_VARIABLE, UnreadableError
from workers.connection import StartError, connect
from workers.operate.orders import OrderError

FAILED = 1
"""Exit status of a command that was refused or failed; wrong usage is 2, click's own."""
PATIENCE = 5.0
"""Seconds that Temporal may take to answer a person."""

T = TypeVar("T")


def run(settings: Callable[[], Temporal], work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Connect, do ``work`` and return its result. What cannot be done ends the program with status 1 and the reason."""

    async def main() -> T:
        return await work(await connect(settings(), PATIENCE))

    try:
        return asyncio.run(main())
    except (OrderError, StartError, UnreadableError) as error:
        fail(str(error))


def fail(why: str) -> NoReturn:
    """Say on stderr why the command failed, and end with status 1."""
    click.echo(f"sealflow: {why}", err=True)
    sys.exit(FAILED)


def read_config(file: Path) -> Config:
    """Return the worker's configuration; a wrong one ends the program, with every problem in it."""
    try:
        return load(file)
    except ConfigError as error:
        fail(str(error))


def where_temporal_is(file: Path | None, address: str | None, namespace: str | None) -> Temporal:
    """Return the settings of the connection: the file's, else the options', else the environment's."""
    if file is not None:
        return read_config(file).temporal
    default = Temporal()
    found = {
        "address": address or os.environ.get("TEMPORAL_ADDRESS") or default.address,
        "namespace": namespace or os.environ.get("TEMPORAL_NAMESPACE") or default.namespace,
        "payload_key_file": os.environ.get(FILE_VARIABLE) or None,
    }
    try:
        return Temporal.model_validate(found)
    except ValidationError as error:
        fail(f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}")
