"""PC1 goes on from its last whole layer, whatever died: the job, the worker, the machine. It trusts nothing else."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealing.background import in_thread
from sealing.cache import proof_environment
from sealing.failures import Temporary
from sealing.processors.folder import JobFolder
from sealing.processors.job import stop_all
from sealing.processors.programs import SIMULATED
from sealing.processors.tasks import Commitments
from sealing.stores import durable, layers
from sealing.stores.layout import SectorFiles
from sealing.values import FileRef, Piece, SectorId
from tests.chaos.layers import Machine, flip, identity, killed, layers_survive, noted, restartable
from tests.stores.sealing import TICKET, Sealing, until
from tests.stores.test_local import misbehave, real_program
from workers.keeping import noting_layers

OTHER_TICKET = "33" * 31 + "00"

HALTING = """#!/bin/sh
# PC1 as it is between its two layers, of 2 KiB no more than a millisecond: its end is undone.
if [ "$1" = pc1 ] && [ ! -e {go} ]; then
    {program} pc1 --task "$3" --output "$5.held" && rm "$5.held" {cache}/sc-02-data-layer-2.dat && touch {reached}
    sleep 1000
fi
exec {program} "$@"
"""


@dataclass
class Halting:
    """A sector of 2 KiB whose PC1 stands still after its first layer until there is ``go``, and its machine."""

    folder: Path
    sealing: Sealing
    machine: Machine
    reached: Path
    go: Path
    pieces: tuple[Piece, ...] = ()
    wanted: Commitments | None = None

    @property
    def files(self) -> SectorFiles:
        """The sector's."""
        return self.sealing.files

    @property
    def layer(self) -> Path:
        """The first one."""
        return self.files.cache / "sc-02-data-layer-1.dat"

    @property
    def notes(self) -> Path:
        """The file of what was noted."""
        return self.files.job("pc1") / layers.NOTES

    async def seal_undisturbed(self) -> None:
        """Seal it once, to have what is to come out."""
        self.pieces = await self.sealing.pieces()
        self.go.touch()
        self.wanted = await self.sealing.pc2(await self.sealing.pc1(self.pieces))
        self.go.unlink()
        layers.remove(self.files)
        self.sealing.round += 1

    async def halfway(self, ticket: str = TICKET) -> asyncio.Task[FileRef]:
        """Start PC1, and let it come to the end of its first layer."""
        self.reached.unlink(missing_ok=True)
        attempt = asyncio.create_task(self.sealing.pc1(self.pieces, ticket))
        await until(lambda: attempt.done() or self.reached.exists())
        return attempt

    async def note(self) -> list[Path]:
        """Note the layers that are there."""
        return await in_thread(layers.note_layers, self.folder)

    async def lost(self) -> tuple[int, int, int]:
        """Have its first layer noted, and PC1 and the machine lost after it. Return the layer's identity."""
        attempt = await self.halfway()
        assert await self.note() == [self.layer]
        await killed(self.files, attempt)
        self.machine.restart()
        return identity(self.layer)

    async def finished(self) -> tuple[int, int, int]:
        """Run PC1 and PC2 to their end: the replica is the one that is wanted. Return the first layer's identity."""
        self.go.touch()
        labels = await self.sealing.pc1(self.pieces)
        found = identity(self.layer)
        assert await self.sealing.pc2(labels) == self.wanted
        return found


@pytest.fixture(params=[pytest.param("simulated"), pytest.param("real", marks=pytest.mark.real)])
async def halting(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Halting]:
    """Give it by the simulated processor and by the real one."""
    files, go = SectorFiles.local(tmp_path, SectorId(miner=1000, number=5)), tmp_path / "go"
    files.root.mkdir(parents=True)
    if request.param == "simulated":
        argv, reached = SIMULATED, tmp_path / "simulated.json.counts"
        misbehave(tmp_path, pc1={"until": str(go)})
    else:
        program, reached = tmp_path / "halting", tmp_path / "reached"
        argv = (str(program),)
        paths = {"program": real_program()[0], "cache": files.cache, "go": go, "reached": reached}
        program.write_text(HALTING.format(**{name: shlex.quote(str(path)) for name, path in paths.items()}))
        program.chmod(0o755)
    env = {**os.environ, **proof_environment(), "SEALFLOW_SIMULATED": str(tmp_path / "simulated.json")}
    with restartable(tmp_path) as machine:
        made = Halting(tmp_path, Sealing(files, argv, env=env), machine, reached, go)
        await made.seal_undisturbed()
        yield made
        await stop_all(files.jobs, grace=0)


async def test_a_whole_layer_outlives_a_kill(halting: Halting) -> None:
    """As long as the machine runs what was renamed is whole, noted or not: it is not computed again."""
    await killed(halting.files, await halting.halfway())
    before = identity(halting.layer)
    assert not halting.notes.exists()
    assert await halting.finished() == before


async def test_a_noted_layer_outlives_the_machine(halting: Halting) -> None:
    """It is read back and compared, and PC1 goes on from it."""
    before = await halting.lost()
    assert await halting.finished() == before


async def test_a_layer_that_is_not_noted_does_not(halting: Halting) -> None:
    """Nobody has synced it."""
    await killed(halting.files, await halting.halfway())
    before = identity(halting.layer)
    halting.machine.restart()
    assert await halting.finished() != before


SPOILING: dict[str, Callable[[Halting], None]] = {
    "one bit": lambda lost: flip(lost.layer, 1000),
    "cut short": lambda lost: os.truncate(lost.layer, 100),
    "gone": lambda lost: lost.layer.unlink(),
    "notes cut short": lambda lost: os.truncate(lost.notes, 20),
    "notes gone": lambda lost: lost.notes.unlink(),
}


@pytest.mark.parametrize("spoil", SPOILING.values(), ids=SPOILING)
async def test_what_the_machine_has_spoiled_is_computed_again(
    halting: Halting, spoil: Callable[[Halting], None]
) -> None:
    """A layer that is not as it was noted is found out, also at full size: it goes, and the replica is right."""
    before = await halting.lost()
    spoil(halting)
    spoiled = identity(halting.layer) if halting.layer.exists() else before
    assert await halting.finished() != spoiled


async def test_a_layer_after_a_spoiled_one_goes_too(halting: Halting) -> None:
    """So does everything else in the cache: what is kept is an unbroken row of layers from the first."""
    await halting.lost()
    stranger = halting.files.cache / "sc-02-data-layer-2.dat"
    stranger.write_bytes(halting.layer.read_bytes())
    flip(halting.layer, 0)
    spoiled = identity(halting.layer)
    (halting.files.cache / "sc-02-data-tree-c-0.dat").touch()
    assert await halting.finished() != spoiled
    assert stranger.read_bytes() != halting.layer.read_bytes()
    assert not list(halting.files.cache.glob("*tree-c-*"))


async def test_another_ticket_takes_nothing_over(halting: Halting) -> None:
    """Its layers are others: neither they nor what was noted of them stays, with or without the machine's restart."""
    before = await halting.lost()
    old = halting.layer.read_bytes()
    attempt = await halting.halfway(OTHER_TICKET)
    assert not halting.notes.exists()
    assert identity(halting.layer) != before
    assert halting.layer.read_bytes() != old
    await killed(halting.files, attempt)


async def test_an_output_that_nobody_took_is_not_trusted_but_its_layers_are(halting: Halting) -> None:
    """PC1 had ended when the machine went down: it runs again, over the layers that were noted."""
    attempt = await halting.halfway()
    await halting.note()
    await killed(halting.files, attempt)
    before, files = identity(halting.layer), JobFolder.at(halting.files.job("pc1"))
    halting.go.touch()
    await halting.sealing.pc1(halting.pieces)
    record = files.record()
    assert record is not None
    files.note(record.model_copy(update={"settled": False}))
    halting.machine.restart()
    assert await halting.finished() == before
    again = files.record()
    assert again is not None
    assert again.started > record.started


async def test_layers_of_a_pc1_that_failed_are_not_gone_on_from(halting: Halting) -> None:
    """They may be why it did: noted or not, with or without the machine's restart."""
    before = await halting.lost()
    JobFolder.at(halting.files.job("pc1")).output.write_text('{"err_msg": "of some reason", "output": null}')
    assert await halting.finished() != before


async def killed_leader(files: JobFolder) -> None:
    """Kill the job, for which nobody waits."""
    await asyncio.to_thread(files.halt, 0)


async def test_the_worker_notes_what_was_finished_without_it(halting: Halting) -> None:
    """Layers are noted while PC1 runs and nobody waits for it, as soon as there is a worker."""
    attempt = await halting.halfway()
    attempt.cancel()
    assert not halting.notes.exists()
    async with noting_layers([halting.folder, halting.folder / "nowhere"], every=0.02):
        await asyncio.wait_for(noted(halting.files, 1), 10)
    await killed_leader(JobFolder.at(halting.files.job("pc1")))
    assert await halting.note() == [], "what does not run is not noted"
    before = identity(halting.layer)
    halting.machine.restart()
    assert await halting.finished() == before


async def test_a_layer_that_cannot_be_synced_is_computed_again(
    halting: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells of it once only, so the job ends then and there: Temporary, and the text says why."""
    attempt = await halting.halfway()
    broken = identity(halting.layer)
    sync = durable.sync

    def fail(path: Path) -> None:
        if path == halting.layer:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(path)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync", fail)
        assert await halting.note() == []
    with pytest.raises(Temporary, match=r"layer-1\.dat cannot be synced \(Input/output error\): it is removed"):
        await attempt
    assert not halting.layer.exists()
    assert await halting.finished() != broken


async def test_what_gives_way_meanwhile_is_not_noted(halting: Halting, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a layer was digested the sector was taken back: nothing is written beside what came after."""
    attempt = await halting.halfway()
    digest = durable.digest

    def slow(path: Path, read: Callable[[int], None]) -> tuple[int, str]:
        found = digest(path, read)
        JobFolder.at(halting.files.job("pc1")).forget()
        return found

    monkeypatch.setattr(durable, "digest", slow)
    assert await halting.note() == []
    assert not halting.notes.exists()
    attempt.cancel()


@pytest.mark.real
@pytest.mark.timeout(600)
async def test_a_real_pc1_of_two_long_layers_survives(tmp_path: Path) -> None:
    """8 MiB: killed in the second layer, killed again, with its machine, with a layer spoiled; the replica is right."""
    program = Path(real_program()[0])
    figures = await layers_survive(tmp_path, 8 << 20, program)
    assert figures.noting < figures.undisturbed
