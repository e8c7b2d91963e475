"""A sector's files on its machine: every stage can be repeated, however it ended before."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sealing.failures import Permanent, Temporary
from sealing.processors.folder import JobFolder
from sealing.processors.job import running_jobs, stop, stop_all
from sealing.processors.programs import SIMULATED
from sealing.stores import local
from sealing.stores.attached import store_sector, transfer_of
from sealing.stores.layout import P_AUX, T_AUX, SectorFiles, tree_r_last_names
from sealing.values import FileRef, SectorId
from tests.stores.sealing import PROOF, SIZE, Sealing, content, until

REAL = Path(
    os.environ.get("SEAL_PROCESSOR", Path.home() / ".cache" / "sealflow" / "target" / "release" / "seal-processor")
)
LAYER = "sc-02-data-layer-1.dat"


def real_program() -> tuple[str, ...]:
    """Return the real processor, or skip the test."""
    if REAL.is_file():
        known = subprocess.run([REAL, "stages"], capture_output=True, text=True, check=False)
        if '"pc2"' in known.stdout:
            return (str(REAL),)
    pytest.skip(f"{REAL} is not built: cargo build --release --locked in seal-processor, or name it in SEAL_PROCESSOR")


@pytest.fixture(params=[pytest.param("simulated"), pytest.param("real", marks=pytest.mark.real)])
async def sealing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sealing]:
    """Give a sector of 2 KiB, sealed by the simulated processor and by the real one."""
    argv = real_program() if request.param == "real" else SIMULATED
    found = Sealing(SectorFiles.local(tmp_path, SectorId(miner=1000, number=5)), argv)
    found.files.root.mkdir(parents=True)
    yield found
    await stop_all(found.files.jobs, grace=0)


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Sealing]:
    """Give a sector of 2 KiB for the simulated processor, which ``misbehave`` can spoil."""
    env = {**os.environ, "SEALFLOW_SIMULATED": str(tmp_path / "simulated.json")}
    found = Sealing(SectorFiles.local(tmp_path, SectorId(miner=1000, number=5)), SIMULATED, env=env)
    found.files.root.mkdir(parents=True)
    yield found
    await stop_all(found.files.jobs, grace=0)


def misbehave(tmp_path: Path, **stages: dict[str, Any]) -> None:
    """Make stages of the simulated processor misbehave."""
    (tmp_path / "simulated.json").write_text(json.dumps(stages))


def store_in(folder: Path) -> Path:
    """Make an empty store."""
    (folder / "store").mkdir()
    return folder / "store"


async def test_seals(sealing: Sealing) -> None:
    """The stages fit together: what one leaves the next one finds, and the mark is there between PC1 and PC2."""
    pieces = await sealing.pieces()
    assert [piece.size for piece in pieces] == [SIZE]
    labels = await sealing.pc1(pieces)
    assert sealing.files.pristine_mark.exists()
    commitments = await sealing.pc2(labels)
    assert not sealing.files.pristine_mark.exists()
    assert commitments.comm_d == pieces[0].commitment
    for name in (P_AUX, T_AUX, *tree_r_last_names(SIZE)):
        assert (sealing.files.cache / name).is_file()
    assert (await sealing.c1(pieces, commitments)).size > 0


async def test_pc2_again_after_success(sealing: Sealing) -> None:
    """A PC2 after one that had succeeded (the sector went back) gives the same replica, and its C1 passes."""
    pieces = await sealing.pieces()
    labels = await sealing.pc1(pieces)
    first = await sealing.pc2(labels)
    replica = content(sealing.files.sealed)
    sealing.round = 1
    assert await sealing.pc2(labels) == first
    assert content(sealing.files.sealed) == replica
    await sealing.c1(pieces, first)


async def test_what_is_linked_into_a_store_stays(sealing: Sealing, tmp_path: Path) -> None:
    """No stage writes to files that a store shares: neither C1, nor PC1 and PC2 of a sector that was taken back."""
    pieces = await sealing.pieces()
    commitments = await sealing.pc2(await sealing.pc1(pieces))
    transfer = transfer_of(sealing.files, store_in(tmp_path), SIZE)
    await store_sector(sealing.files, transfer, on_alive=lambda _: None)
    before = [content(target) for _, target in transfer.pairs]
    assert transfer.copied == 0
    await sealing.c1(pieces, commitments)
    sealing.round = 1
    await sealing.pc2(await sealing.pc1(pieces, ticket="33" * 31 + "00"))
    assert content(sealing.files.sealed) != before[0]
    assert [content(target) for _, target in transfer.pairs] == before


async def test_pc2_killed_in_the_middle(simulated: Sealing, tmp_path: Path) -> None:
    """A PC2 that was killed when half of the replica was encoded is repeated from the data."""
    pieces = await simulated.pieces()
    labels = await simulated.pc1(pieces)
    misbehave(tmp_path, pc2={"signal": 9, "times": 1})
    with pytest.raises(Temporary, match="SIGKILL"):
        await simulated.pc2(labels)
    assert content(simulated.files.sealed) != content(simulated.files.unsealed)
    after_kill = await simulated.pc2(labels)
    await simulated.c1(pieces, after_kill)
    simulated.round = 1
    assert await simulated.pc2(labels) == after_kill


@pytest.mark.real
async def test_real_pc2_killed_in_the_middle(tmp_path: Path) -> None:
    """The real PC2, killed once the replica has changed and before it has answered, is repeated from the data."""
    sealing = Sealing(SectorFiles.local(tmp_path, SectorId(miner=1000, number=5)), real_program())
    sealing.files.root.mkdir(parents=True)
    pieces = await sealing.pieces()
    labels = await sealing.pc1(pieces)
    first = await sealing.pc2(labels)
    for _ in range(20):  # 2 KiB take some milliseconds only: the kill may come too late
        sealing.round += 1
        if await killed_in_pc2(sealing, labels):
            break
    else:
        pytest.fail("no kill came in time")
    assert await sealing.pc2(labels) == first
    await sealing.c1(pieces, first)


async def killed_in_pc2(sealing: Sealing, labels: FileRef) -> bool:
    """Run PC2, kill it as soon as it has changed the replica, and return whether that came before its end."""
    folder, data = JobFolder.at(sealing.files.job("pc2")), content(sealing.files.unsealed)
    attempt = asyncio.create_task(sealing.pc2(labels))
    while not attempt.done():
        record = folder.record()
        if record and record.round == sealing.round and record.pid and content(sealing.files.sealed) != data:
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, 9)
            break
        await asyncio.sleep(0)
    try:
        await attempt
    except Temporary:
        return True
    return False


async def test_the_simulated_pc2_cannot_repeat_itself(simulated: Sealing) -> None:
    """The tests above can fail: on a replica that is encoded already, PC2 gives another CommR."""
    labels = await simulated.pc1(await simulated.pieces())
    first = await simulated.pc2(labels)
    simulated.files.pristine_mark.touch()
    simulated.round = 1
    assert (await simulated.pc2(labels)).comm_r != first.comm_r


async def test_pc1_with_a_new_ticket_starts_from_nothing(sealing: Sealing) -> None:
    """Another ticket finds no layers of the old one, and PC2 after it gives another replica."""
    pieces = await sealing.pieces()
    first = await sealing.pc2(await sealing.pc1(pieces))
    layer = content(sealing.files.cache / LAYER)
    sealing.round = 1
    second = await sealing.pc2(await sealing.pc1(pieces, ticket="33" * 31 + "00"))
    assert content(sealing.files.cache / LAYER) != layer
    assert first.comm_r != second.comm_r


async def test_pc1_again_gives_the_same(sealing: Sealing) -> None:
    """PC1 again on the same inputs (the sector went back) gives the same replica."""
    pieces = await sealing.pieces()
    first = await sealing.pc2(await sealing.pc1(pieces))
    sealing.round = 1
    assert await sealing.pc2(await sealing.pc1(pieces)) == first


async def test_pc1_goes_on_from_whole_layers(simulated: Sealing, tmp_path: Path) -> None:
    """A PC1 that was killed goes on from its whole layers; one whose inputs changed does not."""
    pieces = await simulated.pieces()
    misbehave(tmp_path, pc1={"signal": 9, "times": 2})
    layer = simulated.files.cache / LAYER
    kept: list[int] = []
    for _ in range(2):
        with pytest.raises(Temporary, match="SIGKILL"):
            await simulated.pc1(pieces)
        kept.append(layer.stat().st_mtime_ns)
    assert kept[0] == kept[1]
    assert not simulated.files.pristine_mark.exists()
    simulated.round = 1
    await simulated.pc1(pieces)
    assert layer.stat().st_mtime_ns != kept[0]


async def test_pc1_that_failed_starts_from_nothing(simulated: Sealing, tmp_path: Path) -> None:
    """A PC1 that said that it failed goes on from nothing: its layers may be why."""
    pieces = await simulated.pieces()
    misbehave(tmp_path, pc1={"fail": "a layer is broken", "times": 1})
    with pytest.raises(Temporary, match="pc1 failed: a layer is broken"):
        await simulated.pc1(pieces)
    layer = simulated.files.cache / LAYER
    before = layer.stat().st_mtime_ns
    await simulated.pc1(pieces)
    assert layer.stat().st_mtime_ns != before


async def test_pc2_under_way_is_ended_by_a_way_back(simulated: Sealing, tmp_path: Path) -> None:
    """A PC2 that was let go of does not go on writing while PC1 runs again."""
    pieces = await simulated.pieces()
    labels = await simulated.pc1(pieces)
    misbehave(tmp_path, pc2={"hang": True, "times": 1})
    attempt = asyncio.create_task(simulated.pc2(labels))
    await until((tmp_path / "simulated.json.counts").exists)
    await until(lambda: "pc2" in content(tmp_path / "simulated.json.counts").decode())
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert [job.path for job in running_jobs(simulated.files.jobs.parent)] == [simulated.files.job("pc2")]
    simulated.round = 1
    labels = await simulated.pc1(pieces)
    assert running_jobs(simulated.files.jobs.parent) == []
    assert content(simulated.files.sealed) == content(simulated.files.unsealed)
    await simulated.c1(pieces, await simulated.pc2(labels))


async def test_synthetic_proofs(simulated: Sealing) -> None:
    """The synthetic proofs are made of the sealed sector."""
    simulated.proof = f"{PROOF}_Feat_SyntheticPoRep"
    pieces = await simulated.pieces()
    await simulated.synthetic(pieces, await simulated.pc2(await simulated.pc1(pieces)))


async def test_what_is_missing_is_named(simulated: Sealing) -> None:
    """A stage whose data is gone is Permanent and names the state that makes it."""
    pieces = await simulated.pieces()
    labels = await simulated.pc1(pieces)
    await simulated.pc2(labels)
    simulated.files.unsealed.unlink()
    simulated.round = 1
    with pytest.raises(Permanent, match=r"the staged data, .*unsealed/s-t01000-5, is not there: resume to DealsAcq"):
        await simulated.pc2(labels)
    with pytest.raises(Permanent, match="resume to DealsAcquired"):
        await simulated.pc1(pieces)


async def test_removes_a_sector(simulated: Sealing, tmp_path: Path) -> None:
    """All of a sector goes, its jobs are ended, and nothing else is touched, not even what a link names."""
    pieces = await simulated.pieces()
    misbehave(tmp_path, pc1={"hang": True})
    attempt = asyncio.create_task(simulated.pc1(pieces))
    await until((tmp_path / "simulated.json.counts").exists)
    attempt.cancel()
    other = SectorFiles(simulated.files.root, "s-t01000-50")
    other.unsealed.write_bytes(b"other")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "kept").touch()
    simulated.files.update_cache.parent.mkdir()
    simulated.files.update_cache.symlink_to(tmp_path / "linked")
    for _ in range(2):
        await local.remove_sector(simulated.files)
        assert [path for path in simulated.files.all() if path.exists() or path.is_symlink()] == []
    assert other.unsealed.exists()
    assert (tmp_path / "linked" / "kept").exists()
    assert not await stop(simulated.files.job("pc1"))
    await local.remove_sector(SectorFiles(tmp_path / "nowhere", "s-t01000-5"))
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../s-t01000-5", "s-t01000-5/..", "cache"])
async def test_removes_nothing_without_a_sector_s_name(tmp_path: Path, name: str) -> None:
    """A name that is no sector's never leads to anything being removed."""
    with pytest.raises(ValueError, match=r"nothing is removed|cannot be a file's name"):
        await local.remove_sector(SectorFiles(tmp_path, name))


async def test_tells_what_cannot_be_removed(simulated: Sealing, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be removed keeps nothing else, and is told."""
    await simulated.pieces()
    removed: list[Path] = []

    def remove(path: Path) -> None:
        removed.append(path)
        if path == simulated.files.unsealed:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("sealing.stores.durable.remove", remove)
    with pytest.raises(Temporary, match=r"unsealed/s-t01000-5: Operation not permitted"):
        await local.remove_sector(simulated.files)
    assert set(removed) >= set(simulated.files.all())
