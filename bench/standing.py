"""Sectors that stand still: many of them, and without the hours that it took them to come there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

from temporalio.client import Client

from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.manager.client import Manager
from sealing.pieces.commitment import zero_commitment
from sealing.proofs import seal_proof
from sealing.sector import Home, Memory, Sector, SectorInput
from sealing.values import Submission
from tests.world.plant import Plant
from workflows import attributes
from workflows.sealer import Sealer

AT_ONCE = 50


async def park(client: Client, built: Plant, count: int) -> list[str]:
    """Start tasks that stand parked, return their workflows' ids when all are found parked.

    The plant's chain must be one on which nothing lands.
    """
    ids = await stand(client, built, count, halted=True)
    await built.until(partial(are_parked, client, built, count), "all to be found parked")
    return ids


async def stand(client: Client, built: Plant, count: int, *, halted: bool) -> list[str]:
    """Start tasks that wait for their pre-commit to land, or were parked there, and return their workflows' ids."""
    turn = asyncio.Semaphore(AT_ONCE)
    async with Manager(built.config.manager.rpc_client.addr) as manager:

        async def one() -> str:
            async with turn:
                return await _start(client, manager, built, halted=halted)

        return await asyncio.gather(*(one() for _ in range(count)))


async def are_parked(client: Client, built: Plant, count: int) -> bool:
    """Tell whether so many are found parked."""
    return (await client.count_workflows(parked_on(built))).count == count


def parked_on(built: Plant) -> str:
    """Return the query for the parked sectors of the plant's worker."""
    return f"SealWorker = '{built.config.worker.name}' AND Parked = true"


async def _start(client: Client, manager: Manager, built: Plant, *, halted: bool) -> str:
    config = built.config
    given = await manager.allocate_sector((), ())
    assert given is not None  # noqa: S101 - the embedded manager was told to have so many
    ticket = await manager.assign_ticket(given.id)
    comm_d = zero_commitment(seal_proof(given.proof_type).sector_size).hex()
    await manager.submit_precommit(given.id, given.proof_type, comm_d, comm_d, ticket, reset=False)
    sector = Sector(
        home=Home(worker=config.worker.name, location=str(config.sealing_thread[0].location)),
        id=given.id,
        proof_type=given.proof_type,
        deals=(),
        pieces=(),
        ticket=ticket,
        comm_r=comm_d,
        comm_d=comm_d,
        precommit_sent=Submission(digest=comm_d),
    )
    memory = Memory(
        stays=(),
        previous=State.PC2Done,
        event="SubmitPC",
        since=datetime.now(UTC),
        tries=1,
        halted=halted,
        failure=None,
    )
    task = SectorInput(
        flow=SEALER.name,
        flow_version=SEALER.version,
        state=State.PCSubmitted,
        sector=sector,
        settings=config.thread_settings(0),
        memory=memory,
    )
    await client.start_workflow(
        Sealer.run,
        task,
        id=task.workflow_id,
        task_queue=config.temporal.task_queue,
        search_attributes=attributes.first(task),
    )
    return task.workflow_id
