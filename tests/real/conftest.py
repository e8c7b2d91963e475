"""The real program of the stages and its parameters; without them these tests are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.cache import ProgramMissingError, find_processor, proof_environment
from sealing.processors.parameters import parameters_ready
from tests.needs import missing


@pytest.fixture(scope="session")
async def processor() -> Path:
    """Return the real program, which finds its parameters."""
    try:
        program = find_processor()
    except ProgramMissingError as error:
        missing("seal-processor", str(error))
    if not await parameters_ready([str(program)], "2KiB", proof_environment()):
        missing("the proof parameters of 2 KiB sectors", "make setup")
    return program
