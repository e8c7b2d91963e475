"""A fleet on a Temporal server that must not read what it keeps: a sector's whole way, and what operators see of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RawValue

from activities.step import StepInterceptor
from sealing.cache import find_temporal
from sealing.flow.state import State
from sealing.keyring import new_line
from sealing.manager.client import Manager
from sealing.sector import thread_id
from tests.clients.programs import Terminal
from tests.encryption.fleet import encrypted_plant, kept, with_keys
from tests.needs import need_tctl
from tests.operate.command import sealflow
from tests.world.plant import Plant, working
from workers.assembly import fleet_worker
from workers.connection import StartError, ensure_legible
from workers.doctor.checks import Level
from workers.doctor.examination import examine
from workers.encryption.codec import ENCODING, ENCRYPTED, KEY_ID
from workers.operate import looking

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


async def test_plain_signals_of_tctl_work_beside_encryption(
    temporal: Client, tmp_path: Path, terminal: Terminal
) -> None:
    """Pause, resume with and without a state, and an abort with its reason; what became of them is encrypted."""
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: "TicketAssigned" in built.reported(), "PC1 to run")
            await terminal.signal_by_tctl(built, 1, "pause", None)
            assert (await built.parked()).state is State.TicketAssigned
            await terminal.signal_by_tctl(built, 1, "resume", '"TreeDBuilt"')
            await built.until(lambda: built.reported().count("TreeDBuilt") == 2, "the signal to be carried out")
            await terminal.signal_by_tctl(built, 1, "resume", '"Nowhere"')

            async def refused() -> bool:
                answer = (await built.status()).last_command
                return answer is not None and "there is no state 'Nowhere'" in (answer.refused or "")

            await built.until(refused, "the signal to be refused")
            await terminal.signal_by_tctl(built, 1, "abort", f'{{"reason": "{SCRATCH}"}}')
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
        assert SCRATCH in str(ended.value.cause)
        found = [event async for event in built.sector().fetch_history_events()]
        plain = [event for event in found if SCRATCH.encode() in event.SerializeToString()]
        assert [event.HasField("workflow_execution_signaled_event_attributes") for event in plain] == [True]
        assert not await _task_failed(built, "")


async def test_our_commands_read_it_with_the_keys_alone(temporal: Client, tmp_path: Path) -> None:
    """By -c or by the environment's variable; without keys they say which is missing, and order nothing."""
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": SCRATCH, "times": 3})
        async with working(built):
            await built.parked()
            name, file = str(built.id()), ("-c", str(built.file))
            shown, listed, *without = await asyncio.gather(
                sealflow(built, "sector", *file, "show", name),
                sealflow(built, "sector", *file, "list", "--json"),
                sealflow(built, "sector", "show", name),
                sealflow(built, "sector", "resume", name),
            )
            assert SCRATCH in shown.out
            assert SCRATCH in listed.out
            for ran in without:
                assert (ran.status, ran.out) == (1, "")
                assert "the key 'first', and there is no key here" in ran.err
                assert "by -c or SEALFLOW_PAYLOAD_KEY_FILE" in ran.err
            assert (await built.status()).last_command is None
            keys = {"SEALFLOW_PAYLOAD_KEY_FILE": str(built.folder / "keys")}
            resumed = await sealflow(built, "sector", "resume", name, **keys)
            assert (resumed.status, resumed.out) == (0, f"{name}: resume; now PC1Done\n"), resumed.err
            await built.finished()


async def test_why_something_waits_is_told_in_plain(temporal: Client, tmp_path: Path) -> None:
    """Heartbeats and failures of activities under way are decrypted for lists; why a task ended too."""
    async with encrypted_plant(
        temporal, tmp_path, sectors=2, threads=2, processors="limitation.concurrent.pc1 = 1"
    ) as built:
        built.simulate(pc1={"seconds": 60})
        async with working(built):
            await built.until(lambda: _shown(built, "pc1 waits"), "the list to show who waits")
            for number in (1, 2):
                await built.sector(number).signal("abort", {"reason": "enough"})
                with pytest.raises(WorkflowFailureError) as ended:
                    await built.finished(number)
                assert "enough" in str(ended.value.cause)
            assert b"enough" not in await kept(built, built.sector(1).id)
            await built.until(lambda: _shown(built, "the manager has no sector to give"), "why the thread is idle")


async def _shown(built: Plant, words: str) -> bool:
    views = await looking.threads(built.client, built.config)
    at_work = [each.doing for each in await looking.at_work(built.client, views) if each]
    return any(words in said for said in (*at_work, *(view.doing for view in views)))


async def test_a_worker_without_the_key_says_so_and_harms_nothing(temporal: Client, tmp_path: Path) -> None:
    """It refuses to start, and the doctor says why; where it runs already its tasks fail with the reason in plain."""
    async with encrypted_plant(temporal, tmp_path) as built:
        built.simulate(pc2={"fail": SCRATCH, "times": 3})
        async with working(built):
            await built.parked()
        keys = built.folder / "keys"
        right = keys.read_text()
        for wrong, why in (
            (new_line("other"), "is only other here"),
            (new_line("first"), "another key has the same id"),
        ):
            keys.write_text(wrong)
            client = await with_keys(temporal, keys)
            with pytest.raises(StartError, match=rf"the fleet fleet-w{built.miner} cannot be served: .*{why}"):
                await ensure_legible(client, built.config.temporal.task_queue)
            (found,) = [each.answer for each in await examine(built.file) if each.check == "payloads"]
            assert found.level is Level.WRONG
            assert why in found.text
        async with fleet_worker(
            client, built.config.temporal.task_queue, Manager(built.proxy.address), StepInterceptor()
        ):
            await built.sector().signal("resume")
            await built.until(lambda: _task_failed(built, why), "a task of the workflow to fail")
        keys.write_text(right)
        async with working(built):
            await built.finished()


@pytest.mark.parametrize("keys", [True, False], ids=["a fleet that encrypts", "one that does not"])
async def test_a_signal_that_nobody_can_read_is_refused(temporal: Client, tmp_path: Path, keys: bool) -> None:  # noqa: FBT001
    """With a key's id that nobody knows it fails no task, is refused where it is seen, and the sector goes on."""
    stranger = Payload(metadata={ENCODING: ENCRYPTED, KEY_ID: b"stranger"}, data=b"x" * 40)
    async with encrypted_plant(temporal, tmp_path) as built:
        if not keys:
            text = built.file.read_text()
            built.file.write_text("\n".join(line for line in text.splitlines() if "payload_key_file" not in line))
            built.client = await with_keys(temporal, None)
        built.simulate(pc2={"fail": SCRATCH, "times": 3})
        async with working(built):
            await built.parked()
            await temporal.get_workflow_handle(built.sector().id).signal("resume", RawValue(stranger))

            async def refused() -> bool:
                answer = (await built.status()).last_command
                return answer is not None and "encrypted with the key 'stranger'" in (answer.refused or "")

            await built.until(refused, "the signal to be refused")
            await built.sector().signal("resume")
            await built.finished()
        assert not await _task_failed(built, "")


async def _task_failed(built: Plant, why: str) -> bool:
    failed = [
        event.workflow_task_failed_event_attributes.failure.message
        async for event in built.sector().fetch_history_events()
        if event.HasField("workflow_task_failed_event_attributes")
    ]
    return any(why in message for message in failed)


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
