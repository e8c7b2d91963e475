"""The cache folder: what set-up builds, shared by every clone of one user. scripts/lib.sh knows its places too."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

PROCESSOR = "seal-processor"


def cache_dir() -> Path:
    """Return the cache folder: $SEALFLOW_CACHE, else sealflow in $XDG_CACHE_HOME, else in ~/.cache."""
    if own := os.environ.get("SEALFLOW_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sealflow"


def built_temporal() -> Path:
    """Return where set-up puts the ``temporal`` command."""
    return cache_dir() / "bin" / "temporal"


def built_processor() -> Path:
    """Return where cargo leaves the program of the stages, of whichever clone built last."""
    return cache_dir() / "target" / "release" / PROCESSOR


def proof_environment() -> dict[str, str]:
    """Return the variables that tell the proofs where their large files are; a setting of the user's own stays."""
    folders = {
        "FIL_PROOFS_PARAMETER_CACHE": cache_dir() / "proof-parameters",
        "FIL_PROOFS_PARENT_CACHE": cache_dir() / "proof-parents",
    }
    return {name: os.environ.get(name) or str(folder) for name, folder in folders.items()}


class ProgramMissingError(Exception):
    """A program that is needed is nowhere; the text says where it was looked for and how to get it."""


def find_processor(explicit: str | Path | None = None) -> Path:
    """Return the program of the stages: ``explicit``, this environment's own, PATH's, or the cache's.

    This environment's comes first of those that are searched, because clones share the cache's folder of builds.
    Raises ProgramMissingError.
    """
    here = Path(sys.prefix) / "bin" / PROCESSOR
    setting = {"[processors] program": str(explicit)} if explicit else {}
    return _find(PROCESSOR, setting, (here,), (built_processor(),))


def find_temporal(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the ``temporal`` command: $SEALFLOW_TEMPORAL, PATH's, or the cache's. Raises ProgramMissingError."""
    explicit = environment.get("SEALFLOW_TEMPORAL")
    return _find("temporal", {"SEALFLOW_TEMPORAL": explicit} if explicit else {}, (), (built_temporal(),))


def _find(name: str, settings: Mapping[str, str], before: tuple[Path, ...], after: tuple[Path, ...]) -> Path:
    for setting, value in settings.items():
        if found := shutil.which(value):
            return Path(found)
        raise ProgramMissingError(f"{setting} names {value}, which is no program; correct the setting or remove it")
    candidates: tuple[str | Path, ...] = (*before, name, *after)
    for candidate in candidates:
        if found := shutil.which(candidate):
            return Path(found)
    places = ", ".join(map(str, (*before, "PATH", *after)))
    raise ProgramMissingError(f"the program {name} is missing (looked in {places}); run: make setup")
