"""The tables about this machine and the manager: ``[worker]``, ``[metrics]``, ``[sector_manager]``."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from sealing import tokens
from sealing.addresses import http_base
from sealing.config.fields import (
    OURS,
    AddressRange,
    DefaultWords,
    Duration,
    FilePath,
    HostPort,
    HttpAddress,
    Port,
    QueueName,
    Token,
    Variable,
)
from sealing.config.tables import Table


class RpcServer(Table):
    """Where the worker serves its own JSON-RPC."""

    host: str = "127.0.0.1"
    """Where the manager's operators reach this worker's JSON-RPC, and command its threads. The other worker listens on
    every interface unless it is told otherwise."""
    port: Port = 17890
    """Its port; 0 takes any that is free."""
    allowed_addresses: Annotated[tuple[AddressRange, ...] | None, OURS] = None
    """The addresses that may call beside this machine's own loopback, such as `["10.0.0.5", "10.1.0.0/16"]`. Where
    `host` can be reached from other machines and neither this nor a token is given, only the manager's own may."""
    token_file: Annotated[FilePath | None, OURS] = None
    """A file with a bearer token that every call needs. damocles' own manager sends none."""
    token_env: Annotated[Variable | None, OURS] = None
    """The environment variable that holds this token, in place of a file."""

    def token(self) -> str | None:
        """Return the token that callers must bear, if any; one of the environment is taken out of it.

        Raises TokenError.
        """
        if self.token_file is not None:
            return tokens.of_file(self.token_file)
        return tokens.of_environment(self.token_env) if self.token_env is not None else None


class Worker(Table):
    """``[worker]``. The name is also the name of the machine's task queue."""

    name: Annotated[QueueName, DefaultWords("this host's name")] = Field(default_factory=socket.gethostname)
    """This machine's name: for the manager, in Temporal, and of the machine's task queue. It must stay the same for as
    long as a sector is on the machine."""
    rpc_server: RpcServer = RpcServer()
    """Where the worker serves its own JSON-RPC."""
    local_pieces_dirs: tuple[FilePath, ...] = ()
    """Folders in which the data of pieces is looked for, by the piece's CID, before the manager is asked for it."""
    scan_persist_stores: tuple[str, ...] = ()
    """Patterns such as `"/mnt/*/store"`: each folder with a `sectorstore.json` that matches is one more store. Its name
    is the `Name` there, else the `ID`, else the path; `ReadOnly` counts."""
    ping_interval: Duration = timedelta(seconds=30)
    """How often the manager gets a sign of life."""


class Metrics(Table):
    """``[metrics]``."""

    enable: bool = False
    """Whether metrics are served."""
    http_listen: HostPort = "0.0.0.0:9000"
    """Where they are served, as Prometheus text."""


class RpcClient(Table):
    """``[sector_manager.rpc_client]``."""

    addr: HttpAddress
    """The manager's address, such as `"/ip4/127.0.0.1/tcp/1789"` or `"http://127.0.0.1:1789"`."""
    headers: dict[str, str] = Field(default={}, repr=False)
    """HTTP headers that go with each call, such as `Authorization`."""


class SectorManager(Table):
    """``[sector_manager]``."""

    rpc_client: RpcClient
    """How the manager is reached."""
    piece_token: Token | None = Field(default=None, repr=False)
    """The bearer token for the data of pieces."""
    token_file: Annotated[FilePath | None, OURS] = None
    """A file with the bearer token that goes with each call, and for the data of pieces where `piece_token` is not
    given."""

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers of each call. Raises TokenError for a token's file that is gone."""
        token = self._token()
        return {**self.rpc_client.headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def pieces_token(self) -> str | None:
        """Return the bearer token for the data of pieces. Raises TokenError for a token's file that is gone."""
        return self.piece_token or self._token()

    def _token(self) -> str | None:
        return tokens.of_file(self.token_file) if self.token_file else None

    @property
    def url(self) -> str:
        """The manager's URL, without the path of its JSON-RPC."""
        return http_base(self.rpc_client.addr)
