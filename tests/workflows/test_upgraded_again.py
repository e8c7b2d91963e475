"""A sector is upgraded once more: after an upgrade that was aborted, or that has finished and failed on chain later."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from temporalio.client import Client

from activities import allocation
from activities.storage import StorageActivities
from sealing.devnet.database import connect
from sealing.failures import Wait
from sealing.flow.state import State
from sealing.sector import Sector, thread_id
from sealing.stores.claim import Claim, read_claim, write_claim
from tests.workflows.test_snapup import CONTENT, stored, upgradable
from tests.world import proxy
from tests.world.plant import Plant, working

pytestmark = pytest.mark.server


async def aborted_while_it_encodes(built: Plant) -> None:
    """Abort the first upgrade in the middle of its longest step."""

    async def encodes() -> bool:
        return (await built.status()).state is State.TreeDBuilt

    await built.until(lambda: built.starts("snap_encode") == 1, "the first upgrade to encode")
    await built.until(encodes, "the first upgrade to say so")
    await built.sector().signal("abort")


async def ended(built: Plant, *ends: str) -> None:
    """Wait until the manager's upgrades have ended so, and nothing is left of them."""
    await built.until(lambda: [each.ended for each in built.observer.upgrades()] == list(ends), f"upgrades {ends}")
    await built.finished()
    assert built.left_behind() == []


async def threads_sectors(built: Plant) -> list[str | None]:
    """Return the sector of each thread."""
    names = [thread_id(built.config.worker.name, thread.location) for thread in built.config.sealing_thread]
    return [(await built.client.get_workflow_handle(name).query("status"))["sector"] for name in names]


async def test_an_upgrade_is_offered_again_while_the_one_before_still_clears_up(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that is given it waits until the workflow's id is free; that end is not taken for the sector's own."""
    clears, remove = asyncio.Event(), StorageActivities.remove

    async def slowly(self: StorageActivities, sector: Sector) -> None:
        await clears.wait()
        await remove(self, sector)

    async def both_have_it() -> bool:
        return set(await threads_sectors(built)) == {built.sector().id}

    async with upgradable(temporal, tmp_path, threads=2) as built:
        monkeypatch.setattr(StorageActivities, "remove", slowly)
        built.simulate(snap_encode={"seconds": 60, "times": 1})
        async with working(built):
            await aborted_while_it_encodes(built)
            await built.until(both_have_it, "the other thread to be given the sector")
            clears.set()
            await ended(built, "aborted", "finalized")


async def test_a_second_upgrade_whose_claim_is_found_is_not_taken_for_ended(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt that asked died with the claim on the disk, and the manager knows no keys of requests."""
    monkeypatch.setattr(proxy, "PASSED_ON", ("authorization", "content-type"))
    before: list[str | None] = []

    def dying(location: str, claim: Claim) -> None:
        write_claim(location, claim)
        before.append(claim.before)
        if claim.before is None and before.count(None) == 2:
            raise Wait("as if the worker had died", 0.05)

    async with upgradable(temporal, tmp_path) as built:
        monkeypatch.setattr(allocation, "write_claim", dying)
        built.simulate(snap_encode={"seconds": 60, "times": 1})
        async with working(built):
            await aborted_while_it_encodes(built)
            first = (await built.sector().describe()).run_id
            await ended(built, "aborted", "finalized")
        assert before == [None, "", None, first]


async def test_an_upgrade_that_has_finished_is_made_again(temporal: Client, tmp_path: Path) -> None:
    """As after its message failed on chain: other deals, another run of the same id, another replica in the store."""
    async with upgradable(temporal, tmp_path) as built:
        async with working(built):
            await ended(built, "finalized")
        first = stored(built).update.read_bytes()
        with closing(connect(built.devnet.config.data)) as books, books:
            books.execute("DELETE FROM messages WHERE kind = 'snapup'")
            books.execute("DELETE FROM deals")
            books.execute("UPDATE upgrades SET comm_r = NULL, ended = 'aborted'")
        built.deal(CONTENT[::-1])
        async with working(built):
            await ended(built, "aborted", "finalized")
        runs = [run.status async for run in temporal.list_workflows(f"WorkflowId = '{built.sector().id}'")]
        assert [status and status.name for status in runs] == ["COMPLETED"] * 2
        assert stored(built).update.read_bytes() != first


def test_a_claim_of_before_is_read(tmp_path: Path) -> None:
    """It does not say what came before its task: nothing did."""
    path = tmp_path / "data" / "claim.json"
    path.parent.mkdir()
    path.write_text(
        '{"task": {"flow": "snapup", "flow_version": 1, "state": "Allocated", "settings": {}, "sector": '
        '{"home": {"worker": "w", "location": "/l"}, "id": {"miner": 1000, "number": 5}, "proof_type": 5}}}'
    )
    claim = read_claim(str(tmp_path))
    assert claim is not None
    assert claim.before == ""
