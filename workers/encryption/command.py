"""``sealflow codec``: a key for payloads, and the server by which Temporal's own clients read them.

Heavy imports wait until it runs, as in workers/commands.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealing import tokens
from sealing.addresses import host_port, is_loopback
from sealing.keyring import new_line

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger(__name__)


@click.group()
def codec() -> None:
    """Make keys that encrypt payloads, and show encrypted ones to Temporal's clients."""


@codec.command("key")
@click.option("--id", "name", help="The key's id; default: today's date and some letters.")
def key_command(name: str | None) -> None:
    """Print a new line for the file that [temporal] payload_key_file names."""
    try:
        click.echo(new_line(name or f"{datetime.now(UTC):%Y-%m-%d}-{os.urandom(2).hex()}"))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--id") from error


@codec.command("serve")
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="A worker's TOML file, for [temporal].")
@click.option("--listen", default="127.0.0.1:8081", show_default=True, help="Where to serve, as host:port.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    default=("http://127.0.0.1:8080",),
    show_default=True,
    help="The Web UI's address as a browser has it; may be given several times.",
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="What callers must bear; needed beyond this machine."
)
def serve_command(file: Path | None, listen: str, origins: tuple[str, ...], token_file: Path | None) -> None:
    """Encrypt and decrypt payloads over HTTP until SIGTERM, with the keys of -c or of SEALFLOW_PAYLOAD_KEY_FILE."""
    from workers.commands import until_stopped  # noqa: PLC0415
    from workers.connection import StartError, keys_of  # noqa: PLC0415
    from workers.encryption.server import codec_application  # noqa: PLC0415
    from workers.observability import start_logging  # noqa: PLC0415
    from workers.operate.running import fail, where_temporal_is  # noqa: PLC0415

    start_logging()
    try:
        host, port = host_port(listen)
        token = _token(token_file, host)
        temporal = where_temporal_is(file, None, None)
        keys = keys_of(temporal)
        if not keys.keys:
            fail("there are no keys: set [temporal] payload_key_file in the file of -c, or SEALFLOW_PAYLOAD_KEY_FILE")
        application = codec_application(keys, temporal.namespace, [each.rstrip("/") for each in origins], token)
        until_stopped(lambda stop: _serve(application, host, port, stop))
    except (OSError, StartError, ValueError) as error:
        fail(str(error))


def _token(file: Path | None, host: str) -> str | None:
    """Return what callers must bear. Raises ValueError with what would be right."""
    token = tokens.of_file(file) if file else None
    if token is None and is_loopback(host):
        log.warning("whoever has an account on this machine can read payloads here; --token-file keeps others out")
    if token is None and not is_loopback(host):
        raise ValueError(
            f"{host} can be reached from other machines, and who reaches it reads everything: name a file with a token "
            "by --token-file, or listen on 127.0.0.1"
        )
    return token


async def _serve(application: ASGIApp, host: str, port: int, stop: asyncio.Event) -> None:
    from sealing.jsonrpc.server import JsonRpcServer  # noqa: PLC0415

    async with JsonRpcServer(application, host, port) as server:
        log.info("codec server ready at %s", server.address)
        await stop.wait()
