"""One test's plant: an embedded manager behind a proxy, a worker's configuration, and the sectors it seals.

Each plant has a miner of its own, so that the sectors of tests that share the Temporal server never meet.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from sealing.config import Config, load
from sealing.devnet.config import DevnetConfig
from sealing.devnet.deals import NewDeal, add_deal
from sealing.devnet.queries import Observer
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import SimulatedVerifier, Verifier
from sealing.flow.sealer import SEALER
from sealing.sector import Summary, task_id
from sealing.stores import durable
from sealing.stores.claim import PROBE
from sealing.values import SectorId
from tests.world.proxy import Proxy, proxied
from workers.assembly import serving, start_threads
from workers.encryption.codec import tolerant
from workers.runner import WORKFLOWS, runner
from workflows.status import Status

EPOCH_SECONDS = 0.05
"""Tests' chains are quick: a message lands after 0.1 s."""
REPLAYED = 20
"""Histories of a plant that are replayed when its test is over: none may need a command in another place."""
PATIENCE = 60.0
"""Seconds that a test waits for what it expects, before it fails."""

HASTE = re.compile(
    r"^(rpc_polling|recover|seal|ping)_interval = .*\n|^(max_retries|heartbeat_timeout) = .*\n", re.MULTILINE
)
"""What a plant's file says only so that tests need not wait."""

_miners = itertools.count(1000 + os.getpid() * 1000)

TOML = """\
[worker]
name = "{name}"
rpc_server.port = 0
ping_interval = "200ms"
{worker}
[sector_manager]
rpc_client.addr = "{manager}"
[sealing]
seal_interval = "50ms"
recover_interval = "100ms"
rpc_polling_interval = "50ms"
max_retries = 2
{sealing}
{threads}
[[attached]]
name = "store"
location = "{store}"
{attached}
[processors]
program = "{program}"
{processors}
[temporal]
address = "{temporal}"
task_queue = "fleet-{name}"
heartbeat_timeout = "2s"
{fleet}
[policy]
resubmit_interval = "50ms"
{policy}
"""


@dataclass
class Plant:
    """A manager, a worker's configuration file and folders; the worker is run by the test, here or as a program."""

    client: Client
    folder: Path
    devnet: DevnetServer
    proxy: Proxy
    file: Path
    patience: float = PATIENCE
    flow: str = SEALER.name

    @property
    def miner(self) -> int:
        """The plant's own miner."""
        return self.devnet.config.miner

    @property
    def config(self) -> Config:
        """The worker's configuration."""
        return load(self.file)

    @property
    def observer(self) -> Observer:
        """The manager's books."""
        return Observer(self.devnet.config.data)

    def id(self, number: int = 1) -> SectorId:
        """Return a sector's id."""
        return SectorId(miner=self.miner, number=number)

    def sector(self, number: int = 1) -> WorkflowHandle[Any, Summary]:
        """Return the handle of a sector's workflow, which may not have started yet."""
        return self.client.get_workflow_handle(task_id(self.flow, self.id(number)), result_type=Summary)

    def plan(self, flow: str) -> None:
        """Let the threads of the worker that is started next run another flow; ``sector`` and the like are its."""
        self.flow = flow
        text = re.sub(r'(\[\[sealing_thread\]\]\n)(plan = "\w+"\n)?', rf'\1plan = "{flow}"\n', self.file.read_text())
        self.file.write_text(text)

    def untapped(self, **keys: str) -> None:
        """Let the worker that is started next call the manager itself, without the wire that tests tap.

        ``keys`` of its file get other values, such as longer intervals.
        """
        text = self.file.read_text().replace(self.proxy.address, self.devnet.address)
        for key, value in keys.items():
            text, count = re.subn(rf"^{key} = .*$", f'{key} = "{value}"', text, flags=re.MULTILINE)
            assert count, f"{key} is not in {self.file}"
        self.file.write_text(text)

    def unhurried(self, more: str = "") -> None:
        """Let the worker that is started next do all as seldom as where its file says nothing of it.

        ``more`` is what ``[sealing]`` says in place of that.
        """
        text = HASTE.sub("", self.file.read_text())
        self.file.write_text(text.replace("[sealing]\n", f"[sealing]\n{more}\n"))

    def deal(self, content: bytes) -> NewDeal:
        """Make a deal about some data."""
        source = self.folder / "deal"
        source.write_bytes(content)
        return add_deal(self.devnet.config, source)

    async def status(self, number: int = 1) -> Status:
        """Return what a sector's query ``status`` answers."""
        status: Status = await self.sector(number).query("status", result_type=Status)
        return status

    async def finished(self, number: int = 1) -> Summary:
        """Wait for a sector's end and return its result."""
        await self.until(lambda: self._started(number), "the sector's workflow to start")
        return await asyncio.wait_for(self.sector(number).result(), self.patience)

    async def parked(self, number: int = 1) -> Status:
        """Wait until a sector stands still, and its workflow has taken what a query shows.

        While its task waits for a worker that was killed, a query shows a failure that the workflow has not met yet,
        and a resume is refused: see ``workers/ahead.py``.
        """
        await self.until(lambda: self._started(number), "the sector's workflow to start")
        found: list[Status] = []

        async def halted() -> bool:
            found[:] = [await self.status(number)]
            described = await self.sector(number).describe()
            return found[0].halted and not described.raw_description.HasField("pending_workflow_task")

        await self.until(halted, "the sector to stand still")
        return found[0]

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until a condition, which may be a coroutine, holds. Fails the test after a while.

        A query that no worker is there to answer, as soon after one was killed, is put again.
        """
        give_up = time.monotonic() + self.patience
        while True:
            held = condition()
            try:
                if await held if asyncio.iscoroutine(held) else held:
                    return
            except RPCError as error:
                if error.status is not RPCStatusCode.FAILED_PRECONDITION or time.monotonic() >= give_up:
                    raise
            assert time.monotonic() < give_up, f"waited {self.patience:.0f} s for {what}"
            await asyncio.sleep(0.02)

    def simulate(self, **stages: dict[str, Any]) -> None:
        """Tell the simulated processor what to do in a stage: ``pc1={"seconds": 1}``, ``pc2={"fail": "why"}``."""
        durable.write(self.folder / "simulated.json", json.dumps(stages).encode())  # it may be read in this moment

    def starts(self, stage: str) -> int:
        """Return how often the simulated processor has begun a stage, since it was told what to do."""
        counts = self.folder / "simulated.json.counts"
        if not counts.exists():
            return 0
        with counts.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # who counts empties it first
            return int(json.loads(file.read() or "{}").get(stage, 0))

    def reported(self, number: int = 1) -> list[str]:
        """Return the states that the manager was told of."""
        return [report.next for report in self.observer.reports(self.id(number))]

    def left_behind(self) -> list[Path]:
        """Return the files that are still in the threads' locations, but for those by which an idle one tries them."""
        files = (path for path in (self.folder / "threads").rglob("*") if path.is_file())
        return [path for path in files if PROBE not in path.name]

    async def _started(self, number: int) -> bool:
        return any([found async for found in self.client.list_workflows(f"WorkflowId = '{self.sector(number).id}'")])


@asynccontextmanager
async def plant(  # noqa: PLR0913 - each is one thing that tests vary
    client: Client,
    folder: Path,
    *,
    sectors: int = 1,
    threads: int = 1,
    sealing: str = "",
    processors: str = "",
    policy: str = "",
    worker: str = "",
    attached: str = "",
    fleet: str = "",
    program: str | Path = "simulated",
    verifier: Verifier | None = None,
    **devnet: Any,
) -> AsyncIterator[Plant]:
    """Build a plant. No worker runs yet."""
    miner = next(_miners)
    store = folder / "store"
    locations = [folder / "threads" / str(index) for index in range(threads)]
    for path in (store, *locations):
        path.mkdir(parents=True)
    settings = {
        "epoch_seconds": EPOCH_SECONDS,
        "seed_delay": 2,
        "ticket_lifetime": 100_000,
        "max_sectors": sectors,
        "stores": {"store": store},
        "hold_seconds": 0,  # as damocles' manager, which knows no such thing
        **devnet,
    }
    config = DevnetConfig.model_validate({"data": folder / "devnet", "port": 0, "miner": miner, **settings})
    async with DevnetServer(config, verifier or SimulatedVerifier()) as manager, proxied(manager.address) as proxy:
        file = folder / "worker.toml"
        file.write_text(
            TOML.format(
                name=f"w{miner}",
                manager=proxy.address,
                sealing=sealing,
                threads="".join(f'[[sealing_thread]]\nlocation = "{path}"\n' for path in locations),
                store=store,
                attached=attached,
                program=program,
                processors=processors,
                temporal=client.service_client.config.target_host,
                policy=policy,
                worker=worker,
                fleet=fleet,
            )
        )
        made = Plant(client, folder, manager, proxy, file)
        yield made
        await _end_workflows(made.client, f"w{miner}")


@asynccontextmanager
async def working(built: Plant) -> AsyncIterator[Plant]:
    """Run the plant's worker inside this process."""
    os.environ["SEALFLOW_SIMULATED"] = str(built.folder / "simulated.json")
    try:
        async with serving(built.config, built.client):
            await start_threads(built.config, built.client)
            yield built
    finally:
        del os.environ["SEALFLOW_SIMULATED"]


async def _end_workflows(client: Client, worker: str) -> None:
    """Terminate what the plant has left running: its threads run for ever. Then see that all of it replays."""
    ours = f"TaskQueue = 'fleet-{worker}'"
    async for found in client.list_workflows(f"ExecutionStatus = 'Running' AND {ours}"):
        try:
            await client.get_workflow_handle(found.id).terminate(reason="the test is over")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended since, by itself
                raise
    replayer = Replayer(workflows=WORKFLOWS, data_converter=tolerant(client).data_converter, workflow_runner=runner())
    async for found in client.list_workflows(ours, limit=REPLAYED):
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        await replayer.replay_workflow(history)
