"""The embedded manager as a program: its configuration file, and the verifier of its proofs."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from pydantic import ValidationError

from sealing import foreign
from sealing.cache import find_processor
from sealing.devnet.config import DevnetConfig
from sealing.devnet.crate_verifier import CrateVerifier
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import SimulatedVerifier, Verifier
from sealing.failures import bounded
from sealing.processors.programs import SIMULATED


class EmbeddedError(Exception):
    """The embedded manager cannot start; the text says why."""


def read_config(file: Path) -> DevnetConfig:
    """Return the configuration in a JSON file. Raises EmbeddedError."""
    try:
        return DevnetConfig.model_validate_json(foreign.read(file, foreign.DOCUMENT_LIMIT, pipes=True).decode())
    except OSError as error:
        why = f"cannot be read: {error.strerror}; correct the path given with -c"
    except UnicodeDecodeError as error:
        why = f"is not UTF-8 text at byte {error.start}; save it as UTF-8"
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
        why = f"is wrong: {bounded('; '.join(wrong))}"
    except foreign.TooLargeError:
        why = f"has more than {foreign.DOCUMENT_LIMIT} bytes; correct the path given with -c"
    raise EmbeddedError(f"the devnet's configuration {file} {why}")


async def run_embedded(config: DevnetConfig, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set. Raises EmbeddedError."""
    try:
        async with DevnetServer(config, choose_verifier(config)):
            await stop.wait()
    except (OSError, ValueError, sqlite3.DatabaseError) as error:
        raise EmbeddedError(str(error)) from error


def choose_program(config: DevnetConfig) -> tuple[str, ...]:
    """Return the processor that decodes sectors, the counterpart of the verifier. Raises ProgramMissingError."""
    return SIMULATED if config.verifier == "simulated" else (str(find_processor(None)),)


def choose_verifier(config: DevnetConfig) -> Verifier:
    """Return what looks at proofs: the crate, or the simulated verifier if its name is in the configuration."""
    if config.verifier == "simulated":
        return SimulatedVerifier()
    return CrateVerifier(find_processor(None))
