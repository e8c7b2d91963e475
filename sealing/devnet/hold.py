"""Polls that are held: whoever says how long it would wait hears of its message when that is decided.

It is looked at each epoch how the message stands, as for any other poll: only an epoch moves it, and what another
process does to it (a fault, an end that is ordered) is seen with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sealing.devnet.chain import Chain
from sealing.devnet.faults.book import POLLS
from sealing.jsonrpc.dispatch import Handlers
from sealing.jsonrpc.preference import Preference
from sealing.manager.wire import UNDECIDED, Id, Polled

Poll = Callable[[Id], Awaitable[Polled]]

AT_ONCE = 50
"""Polls that are held at once, of the connections that a server has; others are answered as they come."""
SOONEST = 0.005
"""Seconds between two looks at least: the chain's clock and the event loop's need not agree to the last digit."""


class Holding:
    """The polls that are held."""

    def __init__(self, chain: Chain) -> None:
        """Take the chain, whose settings say for how long a poll is held at most."""
        self._chain = chain
        self._ended = asyncio.Event()
        self.held = 0
        """How many there are now."""

    def end(self) -> None:
        """Have all that are held answered now, and those that come from now on at once."""
        self._ended.set()

    def handlers(self, handlers: Handlers) -> Handlers:
        """Return handlers of which those of polls can hold their calls."""
        return {
            name: (method, self._handler(handler) if name in POLLS else handler)
            for name, (method, handler) in handlers.items()
        }

    def _handler(self, poll: Poll) -> Callable[[Id, Preference], Awaitable[Polled]]:
        async def call(sector: Id, preference: Preference) -> Polled:
            seconds = min(preference.wait, self._chain.config.hold_seconds)
            if not seconds or self.held >= AT_ONCE or self._ended.is_set():
                return await poll(sector)
            preference.applied = seconds
            self.held += 1
            try:
                return await self._decided(poll, sector, seconds)
            finally:
                self.held -= 1

        return call

    async def _decided(self, poll: Poll, sector: Id, seconds: float) -> Polled:
        """Return how a message stands when it is decided, when the time is over, or when all ends."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        while True:
            polled = await poll(sector)
            left = until - now()
            if polled.state not in UNDECIDED or left <= 0 or self._ended.is_set():
                return polled
            await self._pause(min(left, self._chain.until_next()))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, SOONEST)):
                await self._ended.wait()
        except TimeoutError:
            pass
