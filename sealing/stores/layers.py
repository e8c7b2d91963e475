"""PC1's layers, noted while it runs, so that it goes on from them after a restart of the machine.

The library renames a layer into place when it is whole. It syncs none, and of one that it finds it looks at the size
alone. As long as the machine runs that is safe, for what was renamed is whole in the page cache, whoever was killed.
After a restart only those layers are whole for certain that were synced, and are what they were then.

The worker does this beside the job, and not the program: any processor's layers are noted so, also those of a stream
and of somebody else's program, and the digests are computed on other CPUs than those that PC1 is bound to. A worker
that comes back notes what was finished without it. So a restart of the machine costs what no worker has seen.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from sealing import foreign
from sealing.background import Check
from sealing.processors import locks
from sealing.processors.folder import JobFolder
from sealing.processors.job import running_jobs
from sealing.processors.tasks import Pc1
from sealing.stores import durable
from sealing.stores.layout import SectorFiles
from sealing.values import Frozen, Hex32

log = logging.getLogger(__name__)

NOTES = "layers.json"
"""Name of the notes in the folder of PC1's job, with which they go when PC1 is started with other inputs."""


class Notes(Frozen):
    """What is known of the layers that are safe on the disk: their SHA-256 by their numbers, from 1."""

    sha256: dict[int, Hex32]


def note_layers(check: Check, location: Path) -> list[Path]:
    """Sync and note each new layer of a PC1 that runs in a thread's location. Return those that were noted.

    A layer is digested first, while it is in memory, so that the digest is of what PC1 wrote and not of what a bad
    disk has made of it. One that cannot be synced goes, and its job ends, because nobody is told of that a second
    time: what runs PC1 starts it again from the layers before. Raises OSError for what else the disk does not do.
    """
    data = location / "data"
    jobs = [job for job in running_jobs(data / "jobs") if job.path.name == Pc1.stage]
    return [layer for job in jobs for layer in _note_new(check, job, SectorFiles(data, job.path.parent.name))]


def remove(files: SectorFiles) -> None:
    """Remove the layers, and all else in the cache."""
    (files.job(Pc1.stage) / NOTES).unlink(missing_ok=True)
    durable.remove(files.cache)


def keep_noted(files: SectorFiles, check: Check) -> None:
    """Leave in the cache the first layers that are on the disk as they were noted; the rest goes."""
    folder = files.job(Pc1.stage)
    noted, kept = _read(folder), dict[int, Hex32]()
    there = files.layers()
    for number in range(1, len(there) + 1):
        if number not in there or not _is_as_noted(there[number], noted.get(number), check):
            break
        kept[number] = noted[number]
    _write(folder, kept)
    whole = {there[number] for number in kept}
    for entry in sorted(files.cache.iterdir()) if files.cache.is_dir() else ():
        if entry not in whole:
            durable.remove(entry)
    log.info("PC1 of %s goes on after layer %d: %d were there", files.name, len(kept), len(there))


def _is_as_noted(layer: Path, wanted: Hex32 | None, check: Check) -> bool:
    try:
        found = durable.digest_on_disk(layer, lambda _: check())[1] if wanted else "not noted"
    except OSError as error:
        found = f"unreadable ({error.strerror})"
    if found != wanted:
        log.warning("%s is computed again: it is %s, not what was noted before the machine's restart", layer, found)
    return found == wanted


def _note_new(check: Check, job: JobFolder, files: SectorFiles) -> list[Path]:
    record, noted = job.record(), _read(job.path)
    if record is None or not files.unsealed.is_file():
        return []
    size, there = files.unsealed.stat().st_size, sorted(files.layers().items())
    new = {number: layer for number, layer in there if number not in noted and layer.stat().st_size == size}
    return [layer for number, layer in new.items() if _is_noted(check, job, record.fingerprint, number, layer)]


def _is_noted(check: Check, job: JobFolder, fingerprint: str, number: int, layer: Path) -> bool:
    """Note one layer, unless the job gives way or is settled meanwhile. Return whether it is noted."""
    before = _identity(layer)
    digest = durable.digest(layer, lambda _: check())[1]
    broken: OSError | None = None
    try:
        durable.sync(layer)
        durable.sync(layer.parent)
    except OSError as error:
        broken = error
    with locks.alone(job.starting, check):
        now = job.record()
        if now is None or now.fingerprint != fingerprint or now.settled or _identity(layer) != before:
            return False
        if broken is not None:
            _give_up(job, layer, broken)
            return False
        _write(job.path, {**_read(job.path), number: digest})
    log.info("%s is on the disk and noted", layer)
    return True


def _give_up(job: JobFolder, layer: Path, error: OSError) -> None:
    why = f"{layer} cannot be synced ({error.strerror}): it is removed, and the job ended, so that it is computed again"
    log.error("%s", why)
    job.halt(grace=0)
    job.output.unlink(missing_ok=True)
    durable.remove(layer)
    with job.log.open("a") as said:
        said.write(f"{why}\n")


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(folder: Path) -> dict[int, Hex32]:
    """Return what was noted: nothing where there are no right notes. Raises OSError for what cannot be read."""
    try:
        return Notes.model_validate_json(foreign.read(folder / NOTES, foreign.DOCUMENT_LIMIT)).sha256
    except (FileNotFoundError, foreign.TooLargeError, ValidationError):
        return {}


def _write(folder: Path, noted: dict[int, Hex32]) -> None:
    durable.write(folder / NOTES, Notes(sha256=noted).model_dump_json().encode())
