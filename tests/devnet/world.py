"""What the tests of the embedded manager share: a clock that stands still, a running server, a sector's content."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sealing.devnet.config import DevnetConfig
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import SimulatedVerifier, Verifier
from sealing.manager.client import Manager
from sealing.manager.wire import Submitted
from sealing.processors.simulated_proof import simulated_proof
from sealing.proofs import prover_id
from sealing.values import SectorId, Seed, Ticket

COMM_R = "ab" * 31 + "0b"
COMM_D = "fc7e928296e516faade986b28f92d44a4f24b935485223376a799027bc18f833"
"""CommD of an empty 2 KiB sector, as the real library gives it."""


class StillClock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class World:
    """A running embedded manager, a client of it, and its clock."""

    def __init__(self, server: DevnetServer, manager: Manager, clock: StillClock) -> None:
        """Take the three."""
        self.server, self.manager, self.clock = server, manager, clock

    def pass_epochs(self, epochs: int) -> None:
        """Let the chain go on."""
        self.clock.now += epochs * self.server.config.epoch_seconds

    async def allocated(self) -> SectorId:
        """Return a new sector."""
        sector = await self.manager.allocate_sector([], [])
        assert sector is not None
        return sector.id

    async def precommit(
        self, sector: SectorId, ticket: Ticket, *, comm_r: str = COMM_R, reset: bool = False
    ) -> Submitted:
        """Send a pre-commit of an empty 2 KiB sector."""
        return await self.manager.submit_precommit(sector, 5, comm_r, COMM_D, ticket, reset=reset)

    async def seeded(self, sector: SectorId) -> tuple[Ticket, Seed]:
        """Take a sector up to its seed."""
        ticket = await self.manager.assign_ticket(sector)
        await self.precommit(sector, ticket)
        config = self.server.config
        self.pass_epochs(config.landed_after + config.seed_delay)
        seed = (await self.manager.wait_seed(sector, 5)).seed
        assert seed is not None
        return ticket, seed


def proof_for(sector: SectorId, ticket: Ticket, seed: Seed) -> str:
    """Return the proof, in base64, that SimulatedVerifier takes."""
    parts = (bytes.fromhex(COMM_R), bytes.fromhex(COMM_D), prover_id(sector.miner), sector.number)
    proof = simulated_proof(*parts, bytes.fromhex(ticket.ticket), bytes.fromhex(seed.seed))
    return base64.b64encode(proof).decode()


def config_for(data: Path, **settings: object) -> DevnetConfig:
    """Return settings with any free port."""
    return DevnetConfig.model_validate({"data": data, "port": 0, **settings})


@asynccontextmanager
async def running(
    config: DevnetConfig, clock: StillClock | None = None, verifier: Verifier | None = None
) -> AsyncIterator[World]:
    """Run an embedded manager."""
    clock = clock or StillClock()
    async with DevnetServer(config, verifier or SimulatedVerifier(), clock) as server:
        token = config.bearer()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with Manager(server.address, headers=headers) as manager:
            yield World(server, manager, clock)
