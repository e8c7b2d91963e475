"""The measurement of what the product adds: the script does the product's work, and what is reckoned is right."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from bench.alone import SCRIPT, TO_C1, WHOLE, Spent, compare, spent
from sealing.cache import ProgramMissingError, find_processor
from sealing.flow.state import State
from sealing.sector import Stay
from tests.needs import missing

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.real
@pytest.mark.server
async def test_both_seal_the_same_sector(temporal: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Worker and script come to the same replica of one sector, or the measurement would fail; both are told."""
    try:
        find_processor()
    except ProgramMissingError as error:
        missing(str(error), "make setup")
    await compare(temporal, tmp_path / "2KiB", "2KiB", TO_C1, 1)
    told = capsys.readouterr().out
    assert told.startswith("2KiB, to C1, 1 rounds: product / script ")
    assert "the product adds" in told


def test_a_stage_that_fails_ends_the_script_with_its_status(tmp_path: Path) -> None:
    """No later stage runs, so that no time is taken for a sector's that was not sealed."""
    processor = tmp_path / "processor"
    processor.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/ran\n[ "$1" != pc1 ] || exit 3\n')
    processor.chmod(0o755)
    names = ("PROVER_ID", "SECTOR_ID", "MINER_ID", "TICKET", "SEED")
    env = {"PATH": os.environ["PATH"], "PROCESSOR": str(processor), **dict.fromkeys(names, "1")}
    (tmp_path / "sector").mkdir()
    command = [str(SCRIPT), str(tmp_path / "sector"), "StackedDrg2KiBV1_1", WHOLE]
    assert subprocess.run(command, env=env, check=False, timeout=60).returncode == 3
    assert (tmp_path / "ran").read_text().split() == ["add_pieces", "tree_d", "pc1"]


def _stay(state: State, began: float, seconds: float, run_seconds: float) -> Stay:
    return Stay(state=state, entered=BEGAN + timedelta(seconds=began), seconds=seconds, run_seconds=run_seconds)


def test_what_is_reckoned_of_a_sector() -> None:
    """In all from its allocation on, and each state, without its computing and its waits; nothing of what is later."""
    stays = (
        _stay(State.SeedAssigned, 1, 3, 2),
        _stay(State.C1Done, 4, 70, 60),
        _stay(State.ProofSubmitted, 74, 1, 0),
    )
    given, c1_done = BEGAN.timestamp(), BEGAN + timedelta(seconds=4)
    assert spent(given, stays, c1_done, {}) == Spent(4, 2, {"SeedAssigned": 1, "Empty": 1, "Finished": 0})
    whole = spent(given, stays, BEGAN + timedelta(seconds=77), {"check_proof": 0.5})
    assert (whole.wall, whole.computing, whole.rest) == (76.5, 62, 14.5)
    assert whole.beside == {"SeedAssigned": 1, "C1Done": 10, "ProofSubmitted": 0.5, "Empty": 1, "Finished": 2}
