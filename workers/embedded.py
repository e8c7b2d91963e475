"""The embedded manager as a program: its configuration file, and the verifier of its proofs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from pydantic import ValidationError

from sealing.cache import find_processor
from sealing.devnet.config import DevnetConfig
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import CrateVerifier, SimulatedVerifier, Verifier

log = logging.getLogger(__name__)


class EmbeddedError(Exception):
    """The embedded manager cannot start; the text says why."""


async def run_embedded(file: Path, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set. Raises EmbeddedError."""
    try:
        config = DevnetConfig.model_validate_json(file.read_text())
    except (OSError, ValidationError) as error:
        raise EmbeddedError(f"the devnet's configuration {file} is wrong: {error}") from error
    async with DevnetServer(config, choose_verifier(config)) as server:
        log.info("the embedded manager serves %s", server.url)
        await stop.wait()


def choose_verifier(config: DevnetConfig) -> Verifier:
    """Return what looks at proofs: the crate, or the simulated verifier if its name is in the configuration."""
    if config.verifier == "simulated":
        return SimulatedVerifier()
    return CrateVerifier(find_processor(None))
