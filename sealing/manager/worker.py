"""The worker's own JSON-RPC, ``VenusWorker.*``: what the manager's operators call on a worker."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sealing.jsonrpc.method import Method
from sealing.values import Frozen

PATH = "/"

Index = Annotated[int, Field(ge=0, lt=2**32)]
Elapsed = Annotated[int, Field(ge=0)]
"""Whole seconds."""


class Idle(Frozen):
    """The thread has no sector."""

    state: Literal["Idle"] = "Idle"


class Paused(Frozen):
    """The thread's sector, or the thread itself, stands still until it is resumed."""

    state: Literal["Paused"] = "Paused"
    elapsed: Elapsed


class Running(Frozen):
    """The thread's sector is worked on; ``proc`` is the stage that runs on the machine."""

    state: Literal["Running"] = "Running"
    elapsed: Elapsed
    proc: str | None


class Waiting(Frozen):
    """The thread's sector waits: for the chain, for the manager, before its next try."""

    state: Literal["Waiting"] = "Waiting"
    elapsed: Elapsed


ThreadState = Annotated[Idle | Paused | Running | Waiting, Field(discriminator="state")]


class WorkerThread(Frozen):
    """One sealing thread, in the wire's own names."""

    location: str
    plan: str
    job_id: str | None
    index: int
    thread_state: ThreadState
    job_state: str
    job_stage: str | None
    last_error: str | None


WORKER_LIST = Method[tuple[WorkerThread, ...]]("VenusWorker.WorkerList", (), tuple[WorkerThread, ...])
WORKER_PAUSE = Method[bool]("VenusWorker.WorkerPause", (Index,), bool)
WORKER_RESUME = Method[bool]("VenusWorker.WorkerResume", (Index, str | None), bool)
WORKER_VERSION = Method[str]("VenusWorker.WorkerVersion", (), str)
WORKER_SET_ENV = Method[Any]("VenusWorker.WorkerSetEnv", (str, str), Any)
WORKER_REMOVE_ENV = Method[Any]("VenusWorker.WorkerRemoveEnv", (str,), Any)
