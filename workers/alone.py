"""One worker of a name, and one for each location, on a machine: two would take each other's work for their own.

What is held are files in the cache folder, not in the locations: an open file would keep a disk from being unmounted.
So it is a guard against the slip of starting a worker twice, and knows nothing of other users. Other machines are
looked for in ``elsewhere``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sealing.cache import cache_dir
from sealing.config import Config
from sealing.processors import locks
from workers.connection import StartError

LOCK = ".lock"


@contextmanager
def alone(config: Config) -> Iterator[None]:
    """Keep others away from a worker's name and locations meanwhile. Raises StartError, which names the other's pid."""
    with ExitStack() as held:
        try:
            _hold(cache_dir() / "workers", _claims(config), held)
        except OSError as error:
            raise StartError(
                f"{error.filename or cache_dir()} cannot be used ({error.strerror}): let SEALFLOW_CACHE name a folder "
                "that this worker may write to"
            ) from error
        yield


def _claims(config: Config) -> Mapping[str, str]:
    """Return what only one may have, each with what is wrong where there is another, and the cure."""
    name, server = config.worker.name, config.temporal
    return {
        f"worker {name} in {server.namespace} at {server.address}": (
            f"worker {name} runs here already: end it, or give this one another [worker] name"
        ),
        **{
            f"location {thread.location.resolve()}": (
                f"another worker works in {thread.location}: end it, or give this one another location"
            )
            for thread in config.sealing_thread
        },
    }


def _hold(folder: Path, claims: Mapping[str, str], held: ExitStack) -> None:
    with locks.alone(folder / "starting", lambda: None):
        for path in folder.glob(f"*{LOCK}"):
            if not locks.is_held(path):  # nobody can come to hold it meanwhile
                path.unlink()
        for claim, why in claims.items():
            path = folder / (hashlib.sha256(claim.encode()).hexdigest()[:16] + LOCK)
            descriptor = locks.hold(path)
            if descriptor is None:
                raise StartError(f"{why} (it is process {path.read_text().partition(',')[0]})")
            held.callback(os.close, descriptor)
            os.write(descriptor, f"{os.getpid()}, {claim}\n".encode())
