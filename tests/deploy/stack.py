"""docker-compose.yml as Docker Compose's own parser understands it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sealing.cache import cache_dir
from tests.needs import missing

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / "deploy" / "env.example"
OURS = "sealflow:"
"""How the name of our own image begins."""

Service = dict[str, Any]


@dataclass(frozen=True)
class Understood:
    """What the parser printed: a project, or why there is none."""

    project: dict[str, Any]
    refused: str


def understand(file: Path, environment: Mapping[str, str]) -> Understood:
    """Let Docker Compose's parser read a file. Skips where scripts/compose.sh has not run."""
    program = cache_dir() / "bin" / "composecheck"
    if not program.exists():
        missing("Docker Compose's parser", "scripts/compose.sh")
    done = subprocess.run(
        [program, file],
        cwd=file.parent,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Understood({} if done.returncode else json.loads(done.stdout), done.stderr)


def needed() -> dict[str, str]:
    """Return the variables that deploy/env.example names, each with a value."""
    lines = [line.partition("=") for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value or f"a-{name.lower()}" for name, _, value in lines}


@cache
def services() -> dict[str, Service]:
    """Return the services, every variable replaced."""
    found = understand(COMPOSE, needed())
    assert not found.refused
    return {name: {"name": name, **service} for name, service in found.project["services"].items()}


def written() -> dict[str, Any]:
    """Return the file as it is written, its variables not replaced, with ``x-`` keys."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content


def ours() -> dict[str, Service]:
    """Return the services of our own image."""
    return {name: each for name, each in services().items() if each["image"].startswith(OURS)}


def mounts(service: Service, kind: str) -> dict[str, Path]:
    """Return what a service mounts, by the folder or file in the container: kind ``bind`` or ``volume``."""
    return {each["target"]: Path(each["source"]) for each in service.get("volumes", []) if each["type"] == kind}
