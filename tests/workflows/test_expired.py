"""Tickets that expire before PC1 and before PC2, under the policies that do not rewind; and what is shown of them.

The policy ``rewind``, and the manager's own refusal, are in test_sealer.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.failures import Level
from sealing.flow.state import State
from tests.operate.command import sealflow
from tests.world.plant import Plant, plant, working
from workflows.details import render

pytestmark = pytest.mark.server


@asynccontextmanager
async def one_slot(client: Client, folder: Path, policy: str) -> AsyncIterator[Plant]:
    """Run two sectors, of which one has a PC1 longer than a ticket lasts, and the other waits for its turn."""
    limit = "[processors.limitation.concurrent]\npc1 = 1"
    lasts = f'ticket_lifetime = "1500ms"\nexpired_ticket = "{policy}"'
    async with plant(client, folder, sectors=2, threads=2, processors=limit, policy=lasts) as built:
        built.simulate(pc1={"seconds": 2, "times": 1})
        async with working(built):
            yield built


async def test_park_before_pc1_and_before_pc2(temporal: Client, tmp_path: Path) -> None:
    """Each stands still where its ticket was found to be too old; resumed to TreeDBuilt, both finish."""
    async with one_slot(temporal, tmp_path, "park") as built:
        parked = [await built.parked(number) for number in (1, 2)]
        assert {status.state for status in parked} == {State.TicketAssigned, State.PC1Done}
        for number, status in enumerate(parked, 1):
            assert status.failure is not None
            assert status.failure.level is Level.Permanent
            assert status.failure.text.startswith("ticket expired: drawn ")
            assert status.tickets_expired == 1
            await built.sector(number).signal("resume", "TreeDBuilt")
            summary = await built.finished(number)
            assert [stay.outlasted_ticket for stay in summary.stays].count(True) == 1


async def test_abort_before_pc1_and_before_pc2(temporal: Client, tmp_path: Path) -> None:
    """Both tasks end as Aborted in those states, their files go, the manager is told why."""
    async with one_slot(temporal, tmp_path, "abort") as built:
        states = set()
        for number in (1, 2):
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished(number)
            assert isinstance(ended.value.cause, ApplicationError)
            state, why = ended.value.cause.message.split(": ", 1)
            assert why.startswith("ticket expired: drawn ")
            states.add(state)
        assert states == {"TicketAssigned", "PC1Done"}
        assert [row.ended for row in built.observer.sectors()] == ["aborted"] * 2
        assert built.left_behind() == []


async def test_the_time_left_is_shown_and_counted(temporal: Client, tmp_path: Path) -> None:
    """In the status, on the page, in show and list: when the ticket expires, and how many have."""
    async with plant(temporal, tmp_path, policy='ticket_lifetime = "90min"', seed_delay=100_000) as built:
        built.simulate(pc2={"fail": "no such luck", "times": 3})
        async with working(built):
            status = await built.parked()
            assert status.sector.ticket is not None
            drawn = datetime.fromtimestamp(status.sector.ticket.drawn_at, UTC)
            assert status.ticket_expires == drawn + timedelta(minutes=90)
            assert abs(datetime.now(UTC) - drawn) < timedelta(minutes=1)
            clock = f"expires {status.ticket_expires:%Y-%m-%d %H:%M} UTC"
            page = await built.sector().query("__temporal_workflow_metadata")
            assert clock in page.current_details
            shown = await sealflow(built, "sector", "show", str(built.id()))
            assert f"{clock}, 1 h 29 min left" in shown.out
            assert "tickets expired" not in shown.out
            (row,) = await listed(built)
            assert row["ticket_expires"] == str(status.ticket_expires)
            table = await sealflow(built, "sector", "list", "--where", mine(built))
            assert "1 h 29 min" in " ".join(table.out.split())

            await built.sector().signal("resume", "TreeDBuilt")
            await built.until(lambda: "PersistanceSubmitted" in built.reported(), "the wait for the seed")
            sent = await built.status()
            assert (sent.sector.ticket is not None, sent.ticket_expires) == (True, None)
            assert "expires" not in render(sent)
            await built.until(lambda: no_ticket_ends(built), "the list to say that no ticket ends")


async def test_expirations_are_counted(temporal: Client, tmp_path: Path) -> None:
    """One that rewound by itself is in the count of the status, on the page and in show."""
    async with plant(temporal, tmp_path, policy='ticket_lifetime = "1s"', seed_delay=100_000) as built:
        built.simulate(pc1={"seconds": 1.5, "times": 1})
        async with working(built):
            await built.until(lambda: "PersistanceSubmitted" in built.reported(), "the wait for the seed")
            status = await built.status()
            assert status.tickets_expired == 1
            assert "| tickets expired | 1 |" in render(status)
            shown, known = await asyncio.gather(
                sealflow(built, "sector", "show", str(built.id())),
                sealflow(built, "sector", "show", str(built.id()), "--json"),
            )
            assert "tickets expired" in shown.out
            assert known.json["tickets_expired"] == 1


def mine(built: Plant) -> str:
    """Return the query for the plant's sectors."""
    return f"SealWorker = '{built.config.worker.name}'"


async def listed(built: Plant) -> list[dict[str, object]]:
    """Return what the list says of the plant's sectors, once it knows them."""
    found: list[dict[str, object]] = []

    async def known() -> bool:
        found[:] = (
            await sealflow(built, "sector", "list", "--where", f"{mine(built)} AND Parked = true", "--json")
        ).json
        return bool(found)

    await built.until(known, "the sector to be listed")
    return found


async def no_ticket_ends(built: Plant) -> bool:
    """Tell whether the list knows of no ticket that expires."""
    rows = (await sealflow(built, "sector", "list", "--where", mine(built), "--json")).json
    return [row["ticket_expires"] for row in rows] == [None]
