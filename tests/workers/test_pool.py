"""What a machine is for, as its file says: which shared queues, how much at once, and nothing that it does not need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sealing.config import Config, ConfigError, Processors, load
from tests.operate.command import sealflow
from tests.world.gpu import gpu, gpu_file
from tests.world.plant import plant
from workers.assembly import queues_of
from workers.pool import capacity


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        ({"c2": [{}]}, 1),
        ({"c2": [{}, {}]}, 2),
        ({"c2": [{"concurrent": 2}, {"concurrent": 3}]}, 5),
        ({"c2": [{}], "limitation": {"concurrent": {"c2": 3}}}, 3),
        ({"c2": [{"concurrent": 8}], "limitation": {"concurrent": {"c2": 2}}}, 2),
        ({"c2": [{"locks": ["gpu"]}, {"locks": ["gpu"]}], "ext_locks": {"gpu": 1}}, 1),
        ({"c2": [{"locks": ["one"]}, {"locks": ["two"]}]}, 2),
        ({"c2": [{"concurrent": 4, "locks": ["gpu", "bus"]}], "ext_locks": {"gpu": 3, "bus": 2}}, 2),
    ],
)
def test_a_machine_is_given_what_it_can_start(said: dict[str, Any], slots: int) -> None:
    """The least of the limit, the processors' own and their locks; 1 where nothing is said."""
    assert capacity(Processors.model_validate_json(json.dumps(said)), "c2") == slots


MANAGED = 'sector_manager.rpc_client.addr = "/ip4/127.0.0.1/tcp/1789"\nworker.name = "one"\n'
THREAD = '[[sealing_thread]]\nlocation = "{folder}"\n'
PROVER = "[[processors.c2]]\n[[processors.snap_prove]]\n"
SHARED = "[temporal]\nshared_c2 = true\n"


def loaded(folder: Path, text: str) -> Config:
    """Return the configuration in a text."""
    file = folder / "worker.toml"
    file.write_text(text.format(folder=folder))
    return load(file)


@pytest.mark.parametrize(
    ("text", "queues"),
    [
        (MANAGED + THREAD, ["sealing", "one"]),
        (MANAGED + THREAD + PROVER, ["sealing", "one"]),
        (MANAGED + THREAD + SHARED, ["sealing", "one"]),
        (MANAGED + THREAD + PROVER + SHARED, ["sealing", "one", "sealing-c2", "sealing-snap-prove"]),
        ("[[processors.c2]]\n", ["sealing-c2"]),
        ('[[processors.snap_prove]]\n[temporal]\nsnap_prove_queue = "proofs"\n', ["proofs"]),
    ],
)
def test_a_machine_serves_what_its_file_is_for(tmp_path: Path, text: str, queues: list[str]) -> None:
    """A shared queue where it has processors for the stage, and either shares its own or has no thread."""
    assert queues_of(loaded(tmp_path, text)) == queues


def test_sectors_use_the_shared_queues_where_that_is_on(tmp_path: Path) -> None:
    """A task keeps what it was started with, so that no running task changes its way."""
    assert loaded(tmp_path, MANAGED + THREAD).thread_settings(0).pools == {}
    pools = loaded(tmp_path, MANAGED + THREAD + SHARED).thread_settings(0).pools
    assert pools == {"c2": "sealing-c2", "snap_prove": "sealing-snap-prove"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "sector_manager"),
        ("[[processors.pc2]]\n", "sealing_thread"),
        ('[[processors.c2]]\n[temporal]\nc2_queue = "sealing"\n', "temporal.c2_queue"),
        ('[[processors.c2]]\n[temporal]\nc2_queue = "q"\nsnap_prove_queue = "q"\n', "temporal.snap_prove_queue"),
        ('[[processors.c2]]\n[temporal]\nexchange = "http://host"\n', "temporal.exchange"),
        ('[[processors.c2]]\n[temporal]\nexchange = "s3://"\n', "temporal.exchange"),
        ('[[processors.c2]]\n[temporal]\ninline_limit = "1MiB"\n', "temporal.inline_limit"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, text: str, key: str) -> None:
    """With the key, before anything starts."""
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, text)
    assert key in [problem.key for problem in raised.value.problems]


@pytest.mark.server
async def test_commands_take_the_file_of_such_a_machine(temporal: Client, tmp_path: Path) -> None:
    """The doctor checks what such a machine needs; the list has no thread; neither asks for a manager."""
    async with plant(temporal, tmp_path) as built:
        listed = await sealflow(built, "worker", "-c", str(gpu_file(built, "gpu")), "list", "--json")
        assert (listed.status, listed.json) == (0, [])
        async with gpu(built, "gpu") as machine:
            examined = await sealflow(built, "doctor", "-c", str(machine.file), "--json")
            names = [finding["check"] for finding in examined.json]
            assert "manager" not in names
            assert "configuration" in names
            await built.until(lambda: "serves queues" in machine.worker.log.read_text(), "the worker to serve")
            assert await machine.worker.terminate() == 0
