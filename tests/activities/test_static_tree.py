"""A ready tree-d for sectors without deals: linked in place of running the stage, where it is the right one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sealing.failures import Permanent
from sealing.pieces.commitment import zero_commitment
from sealing.processors.processor import Processor
from sealing.processors.programs import SIMULATED
from sealing.stores import durable
from tests.pieces.adding import DATA, SIZE, Machine, data, filler

ROOT = zero_commitment(SIZE)
CONTENT = bytes(2 * SIZE - 64) + ROOT


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine that has a tree-d ready."""
    (tmp_path / "ready").write_bytes(CONTENT)
    behaviour = {"SEALFLOW_SIMULATED": str(tmp_path / "simulated.json")}
    return Machine(tmp_path, Processor("tree_d", SIMULATED, behaviour), static_trees={"2KiB": tmp_path / "ready"})


def is_ready_one(machine: Machine, tree: Path) -> bool:
    """Tell whether a tree is the ready one."""
    return tree.samefile(machine.folder / "ready")


@pytest.mark.parametrize("linking", ["hard", "by path"])
async def test_a_sector_of_zeros_gets_the_ready_tree(
    machine: Machine, linking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without deals, or with nothing but filler; again and again, and the ready file stays when the sector goes."""
    if linking == "by path":
        monkeypatch.setattr(durable, "hard_link", lambda *_: False)
    for deals in ((), (filler(1024), filler(1024))):
        pieces = await machine.add(*deals)
        for _ in range(2):
            tree = await machine.tree(pieces)
            assert tree.parent == machine.files.prepared
            assert is_ready_one(machine, tree)
    durable.remove(machine.files.prepared)
    assert content(machine.folder / "ready") == CONTENT


async def test_a_sector_with_data_has_its_own(machine: Machine) -> None:
    """And so has one of a size for which no file is named."""
    pieces = await machine.add(machine.here(data(DATA)))
    assert not is_ready_one(machine, await machine.tree(pieces))
    other = dataclasses.replace(machine, static_trees={"8MiB": machine.folder / "ready"})
    assert not is_ready_one(machine, await other.tree(await other.add()))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (None, "cannot be read"),
        (CONTENT[1:], f"has {len(CONTENT) - 1} bytes, not {len(CONTENT)} as the tree of a sector of 2.0 KiB"),
        (bytes(len(CONTENT)), f"has the root {'00' * 32}, not {ROOT.hex()}, which is that of zeros"),
    ],
)
async def test_a_wrong_file_is_refused(machine: Machine, wrong: bytes | None, why: str) -> None:
    """Permanent, with the key, what is wrong, and what to do; put right it is taken."""
    ready = machine.folder / "ready"
    durable.remove(ready)
    if wrong is not None:
        durable.write(ready, wrong)
    pieces = await machine.add()
    with pytest.raises(Permanent) as raised:
        await machine.tree(pieces)
    assert f"[processors.static_tree_d] 2KiB = {ready} {why}" in str(raised.value)
    assert "correct the path, or remove the key" in str(raised.value)
    durable.write(ready, CONTENT)
    assert is_ready_one(machine, await machine.tree(pieces))


def content(path: Path) -> bytes:
    """Return a file's bytes; for tests, which may wait for a disk."""
    return path.read_bytes()
