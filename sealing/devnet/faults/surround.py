"""What stands around the embedded manager and lets the faults of the book happen; the manager itself knows of none."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from sealing.devnet.chain import Chain
from sealing.devnet.database import Database
from sealing.devnet.faults import book
from sealing.jsonrpc.dispatch import Handlers
from sealing.jsonrpc.errors import Unanswered
from sealing.jsonrpc.server import hang_up
from sealing.manager.wire import AllocatedSector, Id

Handler = Callable[..., Awaitable[Any]]


class Surround:
    """Looks into the book of faults at each call."""

    def __init__(self, chain: Chain, database: Database) -> None:
        """Take what the manager works with."""
        self._chain = chain
        self._database = database

    def answers(self, handlers: Handlers) -> Handlers:
        """Return handlers that answer something else, as ordered: each look of a call that is held is one answer."""
        return {name: (method, self._answer(name, handler)) for name, (method, handler) in handlers.items()}

    def calls(self, handlers: Handlers) -> Handlers:
        """Return handlers that are slow, or whose answer is lost, as ordered: once a call, however long it is held."""
        return {name: (method, self._call(name, handler)) for name, (method, handler) in handlers.items()}

    def application(self, application: ASGIApp) -> ASGIApp:
        """Return an application that answers nobody while the manager is to be down."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["path"]
            if await self._database.run(lambda tx: book.is_down(tx, self._chain.clock(), path)):
                await hang_up(scope, receive)
            else:
                await application(scope, receive, send)

        return answer

    def _answer(self, name: str, handler: Handler) -> Handler:
        @functools.wraps(handler)  # the signature says what it takes of the caller's headers
        async def answer(*values: Any, **keyed: Any) -> Any:  # noqa: ANN401 - what the handler takes and gives
            sector = _sector(values)
            found = await self._database.run(lambda tx: book.instead(tx, self._chain, name, sector))
            return await handler(*values, **keyed) if found is None else found

        return answer

    def _call(self, name: str, handler: Handler) -> Handler:
        run, clock, may_be_held = self._database.run, self._chain.clock, name in book.POLLS

        @functools.wraps(handler)
        async def call(*values: Any, **keyed: Any) -> Any:  # noqa: ANN401 - what the handler takes and gives
            sector = _sector(values)
            if seconds := await run(lambda tx: book.delay(tx, clock(), name, sector)):
                await asyncio.sleep(seconds)
            answer = await handler(*values, **keyed)
            # Down may have been ordered while it was held: then nobody is answered any more.
            if may_be_held and await run(lambda tx: book.is_down(tx, clock(), name)):
                raise Unanswered(name)
            if await run(lambda tx: book.loses(tx, clock(), name, sector)):
                raise Unanswered(name)
            return answer

        return call


def _sector(values: tuple[Any, ...]) -> str | None:
    """Return the name of the sector that a call is about, where it is about one."""
    match values:
        case (AllocatedSector(id=sector), *_) | (Id() as sector, *_):
            return str(sector.value())
        case _:
            return None
