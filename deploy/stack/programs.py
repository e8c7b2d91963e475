"""Where the stack's programs are: PostgreSQL and Prometheus from the system's packages, Temporal's from the cache."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from sealing.cache import ProgramMissingError, cache_dir

POSTGRES_USER = "postgres"
"""Whom Debian's package makes: the server refuses to run as root."""
POSTGRES_FOLDERS = "usr/lib/postgresql/*/bin"
"""Debian keeps the server's programs out of PATH, a folder a version."""


def built_server() -> Path:
    """Return the folder into which scripts/server.sh puts Temporal's programs."""
    return cache_dir() / "temporal-server"


def find_built(name: str) -> Path:
    """Return one of Temporal's programs. Raises ProgramMissingError."""
    found = shutil.which(built_server() / name)
    if found is None:
        raise ProgramMissingError(f"the program {name} is missing (looked in {built_server()}); run: make setup")
    return Path(found)


def find_installed(name: str) -> Path:
    """Return a program of the system's packages. Raises ProgramMissingError."""
    found = shutil.which(name)
    if found is None:
        raise ProgramMissingError(f"the program {name} is missing (looked in PATH); run: make setup-system")
    return Path(found)


def postgres_programs(root: Path = Path("/")) -> Path:
    """Return the folder of PostgreSQL's server programs, the newest version's. Raises ProgramMissingError."""
    found = [folder for folder in root.glob(POSTGRES_FOLDERS) if (folder / "initdb").exists()]
    if found:
        return max(found, key=_version)
    if inside := shutil.which("initdb"):
        return Path(inside).resolve().parent
    raise ProgramMissingError(
        f"PostgreSQL's server is missing (looked in {root / POSTGRES_FOLDERS} and PATH); run: make setup-system"
    )


def with_this_process(argv: list[str], sign: str, *, as_postgres: bool = False) -> list[str]:
    """Return what runs a program that gets a signal when this process dies, however that comes about.

    ``as_postgres`` runs it as that user, where this is root's.
    """
    user = []
    if as_postgres and os.geteuid() == 0:
        user = [f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--init-groups"]
    return ["setpriv", *user, f"--pdeathsig={sign}", "--", *argv]


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", folder.parent.name)))
