"""Our own tables: ``[temporal]`` and ``[policy]``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from sealing.config.fields import Duration, Exchange, FilePath, HostPort, QueueName, Size
from sealing.config.tables import OurTable

INLINE_AT_MOST = 512 << 10
"""An input in a history, twice there, must stay far below the 2 MB that Temporal takes."""


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
    payload_key_file: FilePath | None = None
    """A file of keys with which all that Temporal is given to keep is encrypted before it leaves this machine: inputs,
    results, failures, signals, heartbeats, details. All workers of a fleet, and all who look at it, need the same keys.
    A line is a key's id and its 32 bytes in base64, as ``sealflow codec key`` prints it; the first encrypts, each
    decrypts; lines that begin with ``#`` are skipped. To change the key add the new one below on all machines, then
    move it to the top on all, and remove the old one when no workflow is kept that has seen it; a worker reads the file
    when it starts. Search attributes, workflow ids, queues and names of steps stay plain: Temporal searches by them. So
    do failures' texts in traces, where these are sent. Needs this project's extra ``encryption``, which ``make
    setup`` and the image have."""
    shared_c2: bool = False
    """Whether C2 and snap prove of this machine's sectors go to the shared queues, which several machines serve. A
    machine serves a queue whose stage it has processors for, if this is on, or if it has no thread."""
    c2_queue: QueueName | None = None
    """The shared queue of C2; without it the fleet's queue with ``-c2`` behind."""
    snap_prove_queue: QueueName | None = None
    """The shared queue of snap prove; without it the fleet's queue with ``-snap-prove`` behind."""
    inline_limit: Annotated[Size, Field(le=INLINE_AT_MOST)] = 32 << 10
    """Bytes that an input for another machine may have, compressed, to travel in a history; 512 KiB at most."""
    exchange: Exchange | None = None
    """Where larger inputs travel: a folder that all machines mount, or ``s3://bucket/prefix``. It is the fleet's own:
    what is there is not encrypted by ``payload_key_file``."""
    exchange_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    """The address of an S3 service other than Amazon's. The credentials are those of the AWS environment."""
    pool_folder: FilePath | None = None
    """Where this machine computes for others; without it ``pool`` in sealflow's cache folder, apart by worker."""
    pool_patience: Duration = timedelta(minutes=5)
    """How long a computation for another machine runs on that nobody waits for any more: its sector was paused,
    aborted, or given to another machine."""

    def shared_queue(self, stage: str) -> str:
        """Return the shared queue of one of the SHARED_STAGES."""
        queue: str | None = getattr(self, f"{stage}_queue")
        return queue or f"{self.task_queue}-{stage.replace('_', '-')}"


class Policy(OurTable):
    """``[policy]``: what to do where the other worker gives no choice."""

    expired_ticket: Literal["rewind", "park", "abort"] = "rewind"
    """What becomes of a sector whose ticket is too old: it draws a new one and computes anew, stands still until
    somebody has looked, or is given up."""
    ticket_lifetime: Duration = timedelta(hours=24)
    """How long after it was drawn a ticket is worth computing on."""
    resubmit_interval: Duration = timedelta(minutes=3)
    """How long after a message failed on chain it is sent again, for each try costs gas; and after files of an upgrade
    were missed they are stored again."""
    terminated_grace: Duration = timedelta(seconds=60)
    """How long after a task was terminated in Temporal its files are left alone."""
    abort_patience: Duration = timedelta(minutes=5)
    """How long an abort waits for the sector's machine; files that are left go when it comes back."""
