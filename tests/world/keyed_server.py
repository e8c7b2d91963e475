"""A production Temporal server that answers who bears a key of its own authority's, by TLS; its data is in memory."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from temporalio.client import Client, TLSConfig
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.stack.ports import free_ports
from tests.world.certificates import SERVER_NAME
from tests.world.tls_server import TlsServer
from workers.devserver import LOOPBACK

SERVICES = ("frontend", "internal-frontend", "history", "matching", "worker")
"""The second is for the server itself, which bears no key."""
KEY_ID = "tests"
NUMBER = 32
"""Bytes of a number on the curve."""


class Signer:
    """Makes keys for Temporal's API, which are signed tokens here."""

    def __init__(self) -> None:
        """Make what signs them."""
        self._private = generate_private_key(SECP256R1())

    def key(self, *permissions: str) -> str:
        """Return a key with permissions such as ``default:admin``."""
        said = {"sub": "worker", "permissions": permissions}
        text = ".".join(_coded(json.dumps(each).encode()) for each in ({"alg": "ES256", "kid": KEY_ID}, said))
        pair = decode_dss_signature(self._private.sign(text.encode(), ECDSA(SHA256())))
        return f"{text}.{_coded(b''.join(number.to_bytes(NUMBER, 'big') for number in pair))}"

    def known(self) -> Mapping[str, Any]:
        """Return what a server knows the keys by."""
        point = self._private.public_key().public_numbers()
        x, y = (_coded(number.to_bytes(NUMBER, "big")) for number in (point.x, point.y))
        return {"keys": [{"kty": "EC", "crv": "P-256", "kid": KEY_ID, "alg": "ES256", "x": x, "y": y}]}


class KeyedServer(TlsServer):
    """The server. ``key`` may do everything there."""

    name = "Temporal server with keys"

    def __init__(self, folder: Path, signer: Signer, source: str) -> None:
        """Take who signs its keys, and where it learns what they are known by."""
        super().__init__(folder)
        self._source = source
        self.key = signer.key("temporal-system:admin")

    def argv(self) -> list[str]:
        """Return how it is started."""
        argv = [each for each in super().argv() if each != "--allow-no-auth"]
        return [*argv, *(f"--service={name}" for name in SERVICES)]

    def _configuration(self) -> Mapping[str, Any]:
        plain = super()._configuration()
        trusted = {"serverName": SERVER_NAME, "rootCaFiles": [str(self.authority.file)]}
        pair = {"certFile": str(self.own.cert), "keyFile": str(self.own.key)}
        authorization = {
            "jwtKeyProvider": {"keySourceURIs": [self._source]},
            "permissionsClaimName": "permissions",
            "authorizer": "default",
            "claimMapper": "default",
        }
        made = {"tls": {"frontend": {"server": pair, "client": trusted}}, "authorization": authorization}
        ports = free_ports()
        internal = {"grpcPort": next(ports), "membershipPort": next(ports), "bindOnLocalHost": True}
        services = {**plain["services"], "internal-frontend": {"rpc": internal}}
        return {**plain, "services": services, "global": {**plain["global"], **made}}

    async def connect(self) -> Client:
        """Connect as the tests' own client."""
        return await Client.connect(
            self.address,
            api_key=self.key,
            data_converter=pydantic_data_converter,
            tls=TLSConfig(server_root_ca_cert=self.authority.file.read_bytes()),
        )


@asynccontextmanager
async def keyed_server(folder: Path) -> AsyncIterator[tuple[KeyedServer, Signer]]:
    """Run the server, and give it with who signs its keys."""
    signer = Signer()
    body = json.dumps(signer.known()).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0) as source:
        port = source.sockets[0].getsockname()[1]
        server = KeyedServer(folder, signer, f"http://{LOOPBACK}:{port}/keys")
        await server.start()
        try:
            yield server, signer
        finally:
            await server.stop()


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
