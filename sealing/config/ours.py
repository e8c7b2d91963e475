"""Our own tables: ``[temporal]`` and ``[policy]``."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from sealing.config.fields import Duration, FilePath, HostPort, QueueName
from sealing.config.tables import OurTable


class Temporal(OurTable):
    """``[temporal]``: where the Temporal server is."""

    address: HostPort = "127.0.0.1:7233"
    """The server's address."""
    namespace: str = Field(default="default", min_length=1)
    """The namespace, which must keep closed workflows for 90 days."""
    task_queue: QueueName = "sealing"
    """The fleet's queue, for workflows and calls to the manager. A fleet is the workers of one manager."""
    heartbeat_timeout: Duration = timedelta(seconds=20)
    """After how long without a sign of life a step is given to the worker again."""
    api_key_file: FilePath | None = None
    """A file with the key for the server."""
    tls: bool = False
    """Whether the connection is encrypted; any of the four keys below turns it on too."""
    tls_server_name: str | None = None
    """The name in the server's certificate, where it is not the address."""
    tls_ca_file: FilePath | None = None
    """The certificate of the authority that the server's is checked against."""
    tls_cert_file: FilePath | None = None
    """This worker's certificate."""
    tls_key_file: FilePath | None = None
    """Its key."""


class Policy(OurTable):
    """``[policy]``: what to do where the other worker gives no choice."""

    expired_ticket: Literal["rewind", "park", "abort"] = "rewind"
    """What becomes of a sector whose ticket is too old: it draws a new one and computes anew, stands still until
    somebody has looked, or is given up."""
    ticket_lifetime: Duration = timedelta(hours=24)
    """How long after it was drawn a ticket is worth computing on."""
    terminated_grace: Duration = timedelta(seconds=60)
    """How long after a task was terminated in Temporal its files are left alone."""
    abort_patience: Duration = timedelta(minutes=5)
    """How long an abort waits for the sector's machine; files that are left go when it comes back."""
