"""``VenusWorker.*``: the manager's operators list, pause and resume this worker's threads through it.

Who calls commands the threads: ``callers`` says who is answered. What would change the worker's own process is refused.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import NoReturn

from temporalio.client import Client

from sealing.config import Config
from sealing.jsonrpc.dispatch import Handlers
from sealing.jsonrpc.errors import RpcError
from sealing.manager import worker as methods
from sealing.manager.worker import WorkerThread
from workers.operate import looking, orders
from workers.operate.looking import ThreadView
from workers.operate.orders import OrderError
from workers.presence.threads import as_wire
from workflows.commands import Kind


class WorkerService:
    """The methods, for one worker's threads."""

    def __init__(self, config: Config, client: Client) -> None:
        """Take the configuration that the indexes are of, and Temporal."""
        self._config = config
        self._client = client

    def handlers(self) -> Handlers:
        """Return the methods by their names."""
        return {
            method.name: (method, handler)
            for method, handler in (
                (methods.WORKER_LIST, self.list),
                (methods.WORKER_PAUSE, self.pause),
                (methods.WORKER_RESUME, self.resume),
                (methods.WORKER_VERSION, self.version),
                (methods.WORKER_SET_ENV, self.set_env),
                (methods.WORKER_REMOVE_ENV, self.remove_env),
            )
        }

    async def list(self) -> tuple[WorkerThread, ...]:
        """Return every thread."""
        return tuple(as_wire(view) for view in await looking.threads(self._client, self._config))

    async def pause(self, index: int) -> bool:
        """Pause a thread's sector, or the thread; false where it stands still already."""
        view = await self._thread(index)
        if _stands_still(view):
            return False
        await self._give(view, orders.order(Kind.pause, reason="by the manager's operator"))
        return True

    async def resume(self, index: int, state: str | None) -> bool:
        """Resume a thread's sector, from ``state`` if given; false where it does not stand still."""
        view = await self._thread(index)
        if not _stands_still(view):
            return False
        await self._give(view, orders.order(Kind.resume, state=state))
        return True

    async def version(self) -> str:
        """Return the product and its version."""
        return f"sealflow {version('sealflow')}"

    async def set_env(self, name: str, value: str) -> NoReturn:
        """Refuse."""
        del name, value
        _refuse_env()

    async def remove_env(self, name: str) -> NoReturn:
        """Refuse."""
        del name
        _refuse_env()

    async def _thread(self, index: int) -> ThreadView:
        if index >= (count := len(self._config.sealing_thread)):
            raise RpcError(f"there is no thread {index}; this worker has {count}, the first is 0")
        view = await looking.thread(self._client, self._config, index)
        if view.standing == "unknown":
            raise RpcError(f"thread {index}: {view.problem}")
        return view

    async def _give(self, view: ThreadView, wanted: orders.Order) -> None:
        whom = view.thread.sector if view.thread and view.thread.sector else view.workflow_id
        try:
            await orders.give(self._client, whom, wanted)
        except OrderError as error:
            raise RpcError(str(error)) from error


def _stands_still(view: ThreadView) -> bool:
    if view.sector is not None:
        return view.sector.halted
    return view.thread is not None and view.thread.paused


def _refuse_env() -> NoReturn:
    raise RpcError(
        "sealflow does not change its environment on request: set it where the worker is started, and start it again"
    )
