"""The tables about this machine and the manager: ``[worker]``, ``[metrics]``, ``[sector_manager]``."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from sealing.addresses import http_base
from sealing.config.fields import (
    OURS,
    DefaultWords,
    Duration,
    FilePath,
    HostPort,
    HttpAddress,
    Port,
    QueueName,
    Token,
)
from sealing.config.tables import Table


class RpcServer(Table):
    """Where the worker serves its own JSON-RPC."""

    host: str = "127.0.0.1"
    """Where the manager's operators reach this worker's JSON-RPC. Whoever reaches it commands the threads; the other
    worker listens on every interface."""
    port: Port = 17890
    """Its port; 0 takes any that is free."""


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
        """Return the HTTP headers of each call. Raises OSError for a token's file that is gone."""
        token = self._token()
        return {**self.rpc_client.headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def pieces_token(self) -> str | None:
        """Return the bearer token for the data of pieces. Raises OSError for a token's file that is gone."""
        return self.piece_token or self._token()

    def _token(self) -> str | None:
        return self.token_file.read_text(encoding="utf-8").strip() if self.token_file else None

    @property
    def url(self) -> str:
        """The manager's URL, without the path of its JSON-RPC."""
        return http_base(self.rpc_client.addr)
