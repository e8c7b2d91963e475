"""A location in which the other worker has left a sector is refused, with what to do; an empty one is only noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.config import ConfigError, load
from sealing.flow.sealer import SEALER
from sealing.flow.state import State
from sealing.sector import Home, Sector, SectorInput, Settings
from sealing.stores.claim import Claim, write_claim
from sealing.values import SectorId
from tests.config.files import Writer
from workers.doctor.checks import Level
from workers.doctor.machine import location

FOLDERS = ("unsealed", "sealed", "cache", "prepared", "update", "update-cache")


def left(root: Path, folder: str, name: str = "s-t01000-7") -> None:
    """Leave the other worker's database, and a file of a sector."""
    (root / "meta").mkdir(exist_ok=True)
    (root / "data" / folder).mkdir(parents=True, exist_ok=True)
    (root / "data" / folder / name).touch()


def claim(root: Path, number: int) -> None:
    """Let a sector be ours."""
    sector = Sector(home=Home(worker="w", location=str(root)), id=SectorId(miner=1000, number=number), proof_type=5)
    task = SectorInput(
        flow=SEALER.name,
        flow_version=SEALER.version,
        state=State.Allocated,
        sector=sector,
        settings=Settings(),
    )
    write_claim(str(root), Claim(task=task))


async def refusal(file: Path, root: Path) -> str:
    """Return why a worker's file is refused, which must be what the doctor says of the folder too."""
    with pytest.raises(ConfigError) as wrong:
        load(file)
    (problem,) = wrong.value.problems
    assert (problem.key, problem.line) == ("sealing_thread[0].location", 3)
    what, _, remedy = problem.right.partition("; ")
    answer = await location(root)
    assert (answer.level, answer.text, answer.remedy) == (Level.WRONG, f"{root} {what}", remedy)
    return problem.right


@pytest.mark.parametrize("folder", FOLDERS)
async def test_a_sector_of_the_other_worker(write: Writer, tmp_path: Path, folder: str) -> None:
    """Whatever it has left of it: the file is named, and the three ways out."""
    left(tmp_path, folder)
    why = await refusal(write(f'location = "{tmp_path}"'), tmp_path)
    assert f"(data/{folder}/s-t01000-7); start that worker once more and let it finish or abort the sector" in why


async def test_our_own_sector_beside_its_database(write: Writer, tmp_path: Path) -> None:
    """What our claim speaks of is ours; another sector's file is not."""
    left(tmp_path, "cache", "s-t01000-3")
    claim(tmp_path, 3)
    assert load(write(f'location = "{tmp_path}"')).notes != ()
    left(tmp_path, "cache", "s-t01000-4")
    assert "data/cache/s-t01000-4" in await refusal(write(f'location = "{tmp_path}"'), tmp_path)


async def test_a_claim_that_cannot_be_read(write: Writer, tmp_path: Path) -> None:
    """It may stand for the sector that is there: nothing is guessed."""
    left(tmp_path, "cache")
    (tmp_path / "data" / "claim.json").write_text("{")
    assert "has a claim that cannot be read" in await refusal(write(f'location = "{tmp_path}"'), tmp_path)


def test_an_idle_location_of_the_other_worker(write: Writer, tmp_path: Path) -> None:
    """Its database alone is no obstacle, and is noted."""
    (tmp_path / "meta").mkdir()
    (note,) = load(write(f'location = "{tmp_path}"')).notes
    assert (note.key, note.line) == ("sealing_thread[0].location", 3)
    assert "holds the other worker's database (meta/) and no sector" in note.why


def test_our_own_files_without_its_database(write: Writer, tmp_path: Path) -> None:
    """Where it never was, nothing is its own."""
    left(tmp_path, "cache")
    (tmp_path / "meta").rmdir()
    assert load(write(f'location = "{tmp_path}"')).notes == ()
