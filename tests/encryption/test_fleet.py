"""A fleet on a Temporal server that must not read what it keeps: a sector's whole way, and what operators see of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError

from sealing.cache import find_temporal
from sealing.flow.state import State
from sealing.sector import thread_id
from tests.clients.programs import Terminal
from tests.encryption.fleet import encrypted_plant, kept, with_keys
from tests.needs import need_tctl
from tests.operate.command import on_worker, sealflow
from tests.world.plant import Plant, working

pytestmark = pytest.mark.server

SCRATCH = "the disk has a scratch"


@pytest.fixture
def terminal(temporal: Client, tmp_path: Path) -> Terminal:
    """Return a terminal at the tests' Temporal server, which has no key."""
    return Terminal(temporal.service_client.config.target_host, tmp_path, find_temporal(), need_tctl())


async def test_the_server_can_read_nothing_of_a_sector(temporal: Client, tmp_path: Path, terminal: Terminal) -> None:
    """Neither paths nor commitments nor failures are in what it keeps; plain signals of both command lines work."""
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": SCRATCH, "times": 6})
        async with working(built):
            status = await built.parked()
            assert status.failure is not None
            assert SCRATCH in status.failure.text
            await terminal.signal(built, 1, "resume", '"TreeDBuilt"')
            await built.until(lambda: built.reported().count("TreeDBuilt") == 2, "the signal to be carried out")
            assert (await built.parked()).state is State.PC1Done
            await terminal.signal_by_tctl(built, 1, "resume", None)
            summary = await built.finished()
        assert summary.comm_r
        location = str(built.config.sealing_thread[0].location)
        secrets = (
            SCRATCH,
            location,
            str(built.folder),
            summary.comm_r,
            summary.proof or "-",
            "Traceback",
            "workflows/",
        )
        bytes_there = await kept(built, built.sector().id, thread_id(built.config.worker.name, Path(location)))
        assert [each for each in secrets if each.encode() in bytes_there] == []
        assert b"encryption-key-id" in bytes_there


async def test_our_commands_read_it_with_the_keys_alone(temporal: Client, tmp_path: Path) -> None:
    """By -c or by the environment's variable; without keys they say which is missing, and order nothing."""
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": SCRATCH, "times": 3})
        async with working(built):
            await built.parked()
            name, file = str(built.id()), ("-c", str(built.file))
            assert SCRATCH in (await sealflow(built, "sector", *file, "show", name)).out
            assert "stands still" in (await sealflow(built, "sector", *file, "list", "--json")).out
            assert SCRATCH in (await on_worker(built, "list")).out
            for words in (("show", name), ("history", name), ("resume", name), ("pause", name)):
                ran = await sealflow(built, "sector", *words)
                assert (ran.status, ran.out) == (1, "")
                assert "the key 'first', and there is no key here" in ran.err
                assert "by -c or SEALFLOW_PAYLOAD_KEY_FILE" in ran.err
            assert (await built.status()).last_command is None
            keys = {"SEALFLOW_PAYLOAD_KEY_FILE": str(built.folder / "keys")}
            resumed = await sealflow(built, "sector", "resume", name, **keys)
            assert (resumed.status, resumed.out) == (0, f"{name}: resume; now PC1Done\n"), resumed.err
            await built.finished()


async def test_why_something_waits_is_told_in_plain(temporal: Client, tmp_path: Path) -> None:
    """Heartbeats and failures of activities under way are decrypted for lists."""
    async with encrypted_plant(
        temporal, tmp_path, sectors=2, threads=2, processors="limitation.concurrent.pc1 = 1"
    ) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: all("TicketAssigned" in built.reported(each) for each in (1, 2)), "PC1 to run")
            await built.until(lambda: _shows(built, "pc1 waits"), "the list to show who waits")
            for number in (1, 2):
                await built.sector(number).signal("abort", {"reason": "enough"})
                with pytest.raises(WorkflowFailureError) as ended:
                    await built.finished(number)
                assert "enough" in str(ended.value.cause)
            assert b"enough" not in await kept(built, built.sector(1).id)
            await built.until(
                lambda: _shows(built, "the manager has no sector to give"), "the list to show why it is idle"
            )


async def _shows(built: Plant, words: str) -> bool:
    return words in (await on_worker(built, "list")).out


async def test_a_new_key_takes_over_while_a_sector_is_under_way(temporal: Client, tmp_path: Path) -> None:
    """Begun under the old key alone, ended by a worker whose first key is the new one; both are in its history."""
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": SCRATCH, "times": 3})
        async with working(built):
            await built.parked()
        file = built.folder / "keys"
        added = await sealflow(built, "codec", "key", "--id", "second")
        file.write_text(added.out + file.read_text())
        built.client = await with_keys(temporal, file)
        async with working(built):
            await built.sector().signal("resume")
            await built.finished()
            found = await kept(built, built.sector().id)
            assert {b"first", b"second"} <= {each for each in (b"first", b"second", b"third") if each in found}
