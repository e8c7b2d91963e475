"""``sealflow demo``: server, embedded manager and worker on this machine, and real sectors from Empty to Finished.

Everything is kept in one folder, so that the demo can be interrupted anywhere and started again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from sealing.config import SIMULATED
from sealing.devnet.piecestore import PieceError
from sealing.devnet.queries import Observer
from sealing.flow.state import State
from sealing.processors.parameters import ALL_KINDS, POREP, UPDATE, parameters_command, parameters_ready
from workers.children import Child, ChildError
from workers.connection import ATTRIBUTE_TYPES
from workers.demofiles import MANAGER_PORT, SECTOR_SIZE, DemoFiles
from workers.demorun import Run, interrupted
from workers.demoscreen import Screen, say
from workers.demosummary import summarize
from workers.demoupgrade import OWN_FILE, Upgrade
from workers.devserver import DevServer, pick_port
from workers.programs import ours
from workers.watch import SectorView, look

LOOK_EVERY = 0.5
"""Seconds between two looks at the sectors."""
READY_WITHIN = 30.0
"""Seconds within which the embedded manager must answer."""


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to do."""


@dataclass
class Demo:
    """One run of the demo."""

    files: DemoFiles
    sectors: int
    keep: bool = False
    synthetic: bool = False
    processor: str | None = None
    file: Path = OWN_FILE
    children: list[Child] = field(default_factory=list, init=False)
    parameters: Child | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event) -> bool:
        """Run to the end or until ``stop``. Returns whether all went well: sectors, upgrade, proofs and the file."""
        try:
            async with AsyncExitStack() as stack:
                return await self._run(stack, stop)
        except (ChildError, PieceError, sqlite3.DatabaseError) as error:
            raise DemoError(str(error)) from error

    async def _run(self, stack: AsyncExitStack, stop: asyncio.Event) -> bool:
        self.files.make()
        earlier = interrupted(self.files.run)
        began = earlier.began if earlier else time.time()
        port = pick_port(MANAGER_PORT)
        simulated = self.processor == SIMULATED
        most = self.files.ended(began) + self.sectors
        config = self.files.write_devnet(port, most, synthetic=self.synthetic, simulated=simulated)
        upgrade = Upgrade(config, self.file, earlier.deal if earlier else None)
        Run(began=began, deal=upgrade.deal).keep(self.files.run)
        server = await stack.enter_async_context(DevServer(self.files.temporal, ATTRIBUTE_TYPES))
        for note in server.notes:
            say(note)
        await self._start_parameters(stack)
        manager = await self._start_manager(stack, port)
        self.files.write_worker(server.address, manager, self.processor)
        await self._start(stack, "worker", ["worker", "-c", str(self.files.worker), "run"])
        say(f"Web UI: {server.ui_url}/namespaces/default/workflows")
        say(f"logs and data: {self.files.root}")
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        with Screen() as screen:
            views = await self._watch(client, screen, stop, began, upgrade)
        done = await summarize(client, views, Observer(self.files.manager), upgrade)
        good = done.is_whole(self.sectors)
        if stop.is_set() and not good:
            say("interrupted; a computation that runs goes on, and the same command takes everything up again")
        else:
            self.files.run.unlink()
        say(f"\ndemo: {done}")
        if self.keep and not stop.is_set():
            say(f"still up, {server.ui_url}; Ctrl-C ends it")
            await stop.wait()
        return good

    async def _watch(
        self, client: Client, screen: Screen, stop: asyncio.Event, began: float, upgrade: Upgrade
    ) -> list[SectorView]:
        """Show the sectors until all have ended, all that have not stand still, or somebody has had enough."""
        while True:
            for child in self.children:
                child.check()
            views = [view for view in await look(client) if not view.ended_before(began)]
            screen.show(views, self._note())
            if stop.is_set() or self._is_over(views, upgrade):
                return views
            await _sleep_or(stop, LOOK_EVERY)

    def _is_over(self, views: list[SectorView], upgrade: Upgrade) -> bool:
        sealed = [view for view in views if not view.is_upgrade]
        still = all(view.closed or view.parked for view in views)
        if not still or len(sealed) < self.sectors:
            return False
        # Without a finished sector there will be no upgrade.
        upgradable = any(view.state == State.Finished for view in sealed)
        return not upgradable or upgrade.is_over([view for view in views if view.is_upgrade])

    def _note(self) -> str:
        """Return how far the proof parameters are, while they are being made."""
        if self.parameters is None or self.parameters.process.returncode is not None:
            return ""
        return "proof parameters: " + "".join(self.parameters.tail().strip().splitlines()[-1:])

    async def _start_manager(self, stack: AsyncExitStack, port: int) -> str:
        if port != MANAGER_PORT:
            say(f"port {MANAGER_PORT} is taken: the manager takes {port}")
        child = await self._start(stack, "manager", ["devnet", "-c", str(self.files.devnet), "run"])
        url = f"http://127.0.0.1:{port}"
        give_up = asyncio.get_running_loop().time() + READY_WITHIN
        async with httpx.AsyncClient() as http:
            while not await _answers(http, url):
                child.check()
                if asyncio.get_running_loop().time() > give_up:
                    raise DemoError(f"the manager does not answer on {url}; {child.log}:\n{child.tail()}")
                await asyncio.sleep(0.1)
        return url

    async def _start_parameters(self, stack: AsyncExitStack) -> None:
        """Make the proof parameters beside the work, if they are not there: C2 waits for them by itself."""
        program = None if self.processor == SIMULATED else ours(self.processor)
        if program is None:
            return
        wanted = [
            kind for kind in (POREP, UPDATE) if not await parameters_ready(program.argv, SECTOR_SIZE, program.env, kind)
        ]
        if not wanted:
            return
        say("making proof parameters in the background, once: usually 20 minutes; C2 and the upgrade wait for theirs")
        argv = parameters_command(program.argv, SECTOR_SIZE, wanted[0] if len(wanted) == 1 else ALL_KINDS)
        self.parameters = await Child.start("parameters", argv, self.files.log("parameters"), program.env)
        stack.push_async_callback(self.parameters.stop)

    async def _start(self, stack: AsyncExitStack, name: str, arguments: list[str]) -> Child:
        argv = [str(Path(sys.prefix) / "bin" / "sealflow"), *arguments]
        child = await Child.start(name, argv, self.files.log(name))
        stack.push_async_callback(child.stop)
        self.children.append(child)
        return child


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        await http.get(url)
    except httpx.TransportError:
        return False
    return True


async def _sleep_or(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
