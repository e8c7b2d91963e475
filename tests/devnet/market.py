"""What the tests of deals and upgrades share: files, finished sectors, and the content of an upgrade."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from pathlib import Path

from sealing.devnet import market
from sealing.devnet.deals import NewDeal, add_deal
from sealing.devnet.queries import Observer
from sealing.manager.wire import SubmitRes, Submitted
from sealing.processors.simulated_proof import simulated_proof, simulated_snap_proof
from sealing.proofs import prover_id
from sealing.stores.layout import SectorFiles
from sealing.values import Deal, SectorId
from tests.devnet.world import COMM_D, COMM_R, World

SECTOR = 2048
NEW_COMM_R = "cd" * 31 + "0c"


def deal(world: World, data: bytes, name: str = "file") -> NewDeal:
    """Make a deal about some data."""
    path = world.server.config.data.parent / name
    path.write_bytes(data)
    return add_deal(world.server.config, path)


def deals(world: World, *lengths: int) -> list[NewDeal]:
    """Make deals about data of these lengths, each of its own."""
    return [deal(world, bytes([index + 1]) * length) for index, length in enumerate(lengths)]


def states(world: World) -> list[tuple[str, str | None]]:
    """Return each deal's state and sector."""
    return [(record.state, record.sector) for record in observer(world).deals()]


def observer(world: World) -> Observer:
    """Return the manager's books."""
    return Observer(world.server.config.data, world.clock)


def comm_d(pieces: tuple[Deal, ...]) -> str:
    """Return the commitment to a sector's data."""
    return market.comm_d(pieces, SECTOR)


async def prove(world: World, sector: SectorId, data: str = COMM_D) -> SubmitRes:
    """Take a sector whose data commits to ``data`` to its proof's submission."""
    manager, config = world.manager, world.server.config
    ticket = await manager.assign_ticket(sector)
    sent = await manager.submit_precommit(sector, 5, COMM_R, data, ticket, reset=False)
    if sent.res is not SubmitRes.Accepted:
        return sent.res
    world.pass_epochs(config.landed_after + config.seed_delay)
    seed = (await manager.wait_seed(sector, 5)).seed
    assert seed is not None
    proof = simulated_proof(
        bytes.fromhex(COMM_R), bytes.fromhex(data), prover_id(sector.miner), sector.number,
        bytes.fromhex(ticket.ticket), bytes.fromhex(seed.seed),
    )  # fmt: skip
    return (await manager.submit_proof(sector, base64.b64encode(proof).decode(), reset=False)).res


async def finished(world: World, data: str = COMM_D, sector: SectorId | None = None) -> SectorId:
    """Take a sector to its end."""
    sector = sector or await world.allocated()
    assert await prove(world, sector, data) is SubmitRes.Accepted
    files = SectorFiles.stored(store(world), sector)
    _write(files.sealed, files.cache, ("p_aux", "t_aux", "sc-02-data-tree-r-last.dat"))
    assert await world.manager.submit_persisted(sector, "store", is_upgrade=False)
    world.pass_epochs(world.server.config.landed_after)
    await world.manager.report_finalized(sector)
    return sector


def store(world: World) -> Path:
    """Return the store's folder."""
    return world.server.config.stores["store"]


def persist_upgrade(world: World, sector: SectorId) -> SectorFiles:
    """Put files like an upgraded sector's into the store."""
    files = SectorFiles.stored(store(world), sector)
    _write(files.update, files.update_cache, ("p_aux", "t_aux", "sc-02-data-tree-r-last.dat"))
    return files


def _write(replica: Path, cache: Path, names: tuple[str, ...]) -> None:
    replica.parent.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    replica.write_bytes(b"\1" * SECTOR)
    for name in names:
        (cache / name).write_bytes(b"\1" * 64)


@dataclass(frozen=True)
class Content:
    """What is sent for an upgrade."""

    world: World
    sector: SectorId
    comm_d: str
    pieces: tuple[Deal, ...]
    proof: bytes
    comm_r: str = NEW_COMM_R
    access_instance: str = "store"

    def but(self, **changes: object) -> Content:
        """Return another content."""
        return replace(self, **changes)  # type: ignore[arg-type]

    async def send(self) -> Submitted:
        """Send it."""
        return await self.world.manager.submit_snapup_proof(
            self.sector,
            comm_r=self.comm_r,
            comm_d=self.comm_d,
            access_instance=self.access_instance,
            pieces=self.pieces,
            proof=base64.b64encode(self.proof).decode(),
        )


async def upgrading(world: World, sector: SectorId | None = None, *, files: bool = True) -> Content:
    """Take a finished sector and deals that are there, up to the submission of the upgrade; return the right one."""
    sector = sector or await finished(world)
    given = await world.manager.allocate_snapup([], [], None, None)
    assert given is not None
    assert given.id == sector
    if files:
        persist_upgrade(world, sector)
    data = comm_d(given.deals)
    proof = simulated_snap_proof(*(bytes.fromhex(part) for part in (given.upgrade.comm_r, NEW_COMM_R, data)))
    return Content(world, sector, data, given.deals, proof)
