"""What the real proofs need of the machine: the crate's program and its parameters. Else these tests are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealing.cache import ProgramMissingError, find_processor
from tests.needs import missing
from tests.real.crate import Crate

SETUP = "make setup"


@pytest.fixture(scope="session")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crate]:
    """Return the crate's program. It leaves nothing in the folder for temporary files."""
    try:
        program = find_processor()
    except ProgramMissingError as error:
        missing(str(error), SETUP)
    temporary = tmp_path_factory.mktemp("temporary")
    yield Crate(program, temporary)
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="session")
def porep_parameters(crate: Crate) -> None:
    """Skip a test that proves a sealing where that cannot be."""
    if not crate.has_parameters("porep"):
        missing("the proof parameters of 2KiB sectors", SETUP)


@pytest.fixture(scope="session")
def update_parameters(crate: Crate) -> None:
    """Skip a test that proves a snap-up where that cannot be."""
    if not crate.has_parameters("update"):
        missing("the proof parameters of snapping up 2KiB sectors", SETUP)


@pytest.fixture(scope="session")
def processor(crate: Crate, porep_parameters: None) -> Path:  # noqa: ARG001 - it skips
    """Return the real program, which finds its parameters."""
    return crate.program
