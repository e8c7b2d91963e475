"""The manager: that it answers and knows the stores. And the clock, against what servers say about the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import httpx

from sealing.addresses import host_port
from sealing.config import Config, Temporal
from sealing.failures import Outage, SealingFailure, Temporary
from sealing.manager.client import Manager
from sealing.manager.wire import StoreInfo
from workers.doctor.checks import CALL_LIMIT, Answer, ok, warning, wrong

NO_STORE = "sealflow-doctor"
"""A store's name to ask for where none is attached: any manager says that it does not know it."""
CLOCK_OFF = 5.0
"""Seconds that two clocks may differ; an HTTP date itself is good to a second."""
CLOCK_LIMIT = 1.5
"""Seconds in which a server must tell its time."""
HTTP_PORTS = (10, 1000)
"""Where a Temporal server serves HTTP, counted from its port: its HTTP API, and the dev server's Web UI."""


async def manager(config: Config) -> Answer:
    """Look whether the manager answers and knows each attached store."""
    names = [store.name for store in await asyncio.to_thread(config.stores)]
    try:
        asked = Manager(config.manager.rpc_client.addr, headers=config.manager.headers(), timeout=CALL_LIMIT)
    except (OSError, ValueError) as error:
        return wrong(str(error), "correct [sector_manager] rpc_client")
    async with asked:
        try:
            known = await asyncio.gather(*(asked.store_info(name) for name in names or (NO_STORE,)))
        except Outage as error:
            return wrong(str(error), "start the manager, or correct [sector_manager] rpc_client.addr")
        except Temporary as error:
            return wrong(str(error), "look into the manager's log; is [sector_manager] rpc_client.addr a manager?")
        except SealingFailure as error:
            return wrong(str(error), "put right what it says in [sector_manager] rpc_client")
    return _about_stores(asked.url, names, known)


def _about_stores(url: str, names: Sequence[str], known: Sequence[StoreInfo | None]) -> Answer:
    if not names:
        return warning(f"{url} answers, but no store is attached", "add an [[attached]] store: a sector is kept there")
    unknown = [repr(name) for name, info in zip(names, known, strict=True) if info is None]
    if unknown:
        return wrong(
            f"{url} knows no store named {', '.join(unknown)}",
            "add it to the manager's stores under this name, or correct its name in [[attached]]",
        )
    return ok(f"{url} answers, and knows the stores {', '.join(names)}")


def told_by_temporal(settings: Temporal) -> list[str]:
    """Return the addresses at which a Temporal server may tell its time."""
    host, port = host_port(settings.address)
    shown = f"[{host}]" if ":" in host else host
    return [f"http://{shown}:{port + more}/" for more in HTTP_PORTS]


async def clock(urls: Sequence[str]) -> Answer:
    """Compare this machine's clock with the first of the servers that tells its time."""
    async with httpx.AsyncClient(trust_env=False, timeout=CLOCK_LIMIT) as http:
        for url in urls:
            ahead = await _ahead(http, url)
            if ahead is not None:
                return _about_clock(url, ahead)
    return warning(
        "not compared: neither manager nor Temporal told the time over HTTP",
        "timedatectl, which says whether the clock is synchronised",
    )


async def _ahead(http: httpx.AsyncClient, url: str) -> float | None:
    """Return how many seconds this clock is ahead of the server's, or None where the server does not tell."""
    asked = time.time()
    try:
        async with http.stream("GET", url) as response:
            answered = time.time()
            told = parsedate_to_datetime(response.headers["Date"])
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None
    # The header is cut to whole seconds, so that half a second more is the best guess.
    return (asked + answered) / 2 - (told.timestamp() + 0.5)


def _about_clock(url: str, ahead: float) -> Answer:
    if abs(ahead) <= CLOCK_OFF:
        return ok(f"within {CLOCK_OFF:g} s of {url}")
    side = "ahead of" if ahead > 0 else "behind"
    return warning(f"{abs(ahead):.0f} s {side} {url}", "timedatectl set-ntp true, here or there: tickets' ages need it")
