"""Proof parameters that are not whole: what a copy or a download that was cut off leaves."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from temporalio.client import Client

from sealing.cache import proof_environment
from sealing.processors.programs import SIMULATED
from tests.real.crate import Crate
from tests.world.plant import Plant, plant, working

pytestmark = [pytest.mark.server, pytest.mark.real]

CACHE = "FIL_PROOFS_PARAMETER_CACHE"
CUT_OFF = 1 << 20
"""Bytes that are there, of a gigabyte."""


@pytest.mark.usefixtures("porep_parameters")
async def test_a_sector_waits_for_whole_parameters(
    temporal: Client, tmp_path: Path, crate: Crate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file, beside the right key, is none: C2 waits and says so, and goes on once it is whole."""
    folder = tmp_path / "parameters"
    parameters = half_of(Path(proof_environment()[CACHE]), folder)
    monkeypatch.setenv(CACHE, str(folder))
    async with plant(temporal, tmp_path / "plant", program=asks(crate, tmp_path / "processor")) as built:
        async with working(built):
            await built.until(lambda: is_told(built), "C2 to wait for parameters")
            assert built.starts("c2") == 0
            (folder / "whole").symlink_to(parameters)
            (folder / "whole").rename(folder / parameters.name)
            summary = await built.finished()
        assert {stay.tries for stay in summary.stays} == {1}


def half_of(whole: Path, folder: Path) -> Path:
    """Put the beginning of the parameters of 2 KiB sectors and their key into a folder; return the whole ones."""
    folder.mkdir()
    (parameters,) = whole.glob("*stacked*-8-0-0-*.params")
    (folder / parameters.with_suffix(".vk").name).symlink_to(parameters.with_suffix(".vk"))
    with parameters.open("rb") as file:
        (folder / parameters.name).write_bytes(file.read(CUT_OFF))
    return parameters


def asks(crate: Crate, script: Path) -> Path:
    """Make a program that looks for parameters as the real one does, and else is the simulated one."""
    real, simulated = shlex.quote(str(crate.program)), shlex.join(SIMULATED)
    script.write_text(f'#!/bin/sh\n[ "$1" = params ] && exec {real} "$@"\nexec {simulated} "$@"\n')
    script.chmod(0o755)
    return script


async def is_told(built: Plant) -> bool:
    """Tell whether Temporal shows that a step waits for parameters."""
    if not built.observer.sectors() or "C1Done" not in built.reported():
        return False
    pending = (await built.sector().describe()).raw_description.pending_activities
    return any("the proof parameters for 2KiB are not there" in one.last_failure.message for one in pending)
