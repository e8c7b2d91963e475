"""The Dockerfile: its steps run as a script outside of a container, and what its image must be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sealing.cache import cache_dir
from tests.deploy.dockerfile import RUN, Build, Ignore, Stage, entrypoint, last_of, read
from tests.deploy.stack import ROOT, mounts, ours
from tests.needs import missing, need

PINNED = re.compile(r"[a-z]+:\d+\.\d+\.\d+-[\w-]+")
STAGES = read(ROOT / "Dockerfile")
IGNORE = Ignore.read(ROOT / ".dockerignore")


def base_python(folder: Path) -> Path:
    """Make an environment that stands for the base image's Python, with pip; return its programs' folder."""
    uv = cache_dir() / "bootstrap" / "bin" / "uv"
    if not uv.exists():
        missing("uv", "scripts/python.sh")
    subprocess.run([uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder], check=True)
    return folder / "bin"


def environment(python: Path) -> dict[str, str]:
    """Return what the steps run with: builds are taken from the cache, so that only what is new is built."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))}
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "CARGO_TARGET_DIR": str(cache_dir() / "target")}


@pytest.mark.timeout(600)
def test_its_steps_make_programs_that_run(tmp_path: Path) -> None:
    """In a clean folder the steps make an environment with both programs, and with nothing that only tests need."""
    need("cargo", "https://rustup.rs")
    build = Build(ROOT, tmp_path / "root", environment(base_python(tmp_path / "python")))
    try:
        made = build.run(STAGES, IGNORE) / "opt" / "sealflow"
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error.cmd[-1]}\n{error.stderr}")
    (program,) = entrypoint(STAGES[-1])
    version = subprocess.run([made / "bin" / program, "--version"], check=True, capture_output=True, text=True)
    assert version.stdout.startswith("sealflow, version ")
    subprocess.run([made / "bin" / "seal-processor", "--help"], check=True, capture_output=True)
    modules = "import aioboto3, cryptography, workers, workflows; assert 'site-packages' in workers.__file__"
    subprocess.run([made / "bin" / "python", "-c", modules], check=True, cwd=tmp_path)
    assert not {"pytest", "mypy", "uv", "cargo"} & {each.name for each in (made / "bin").iterdir()}


def test_the_image_is_small_and_nobody_s_but_its_user_s() -> None:
    """The last stage is a slim Debian in which nothing is built, and its user is a fixed number, not root."""
    last = STAGES[-1]
    assert "-slim-" in last.base
    assert last_of(last, "USER") == "10001:10001"
    (step,) = [each.rest for each in last.instructions if each.word == RUN]
    assert "--uid 10001" in step
    assert "--gid 10001" in step
    assert all(PINNED.fullmatch(stage.base) for stage in STAGES)


def test_python_is_the_same_where_it_is_made_and_where_it_runs() -> None:
    """An environment is bound to its interpreter."""
    assert STAGES[-1].base == STAGES[-2].base


def folders(stage: Stage) -> set[str]:
    """Return the folders that the stage makes for its user."""
    (step,) = [each.rest for each in stage.instructions if each.word == RUN]
    return set(re.findall(r"/var/[\w/]+", step.partition("install --directory")[2]))


def test_each_volume_begins_as_a_folder_of_the_user_s() -> None:
    """A new volume takes over owner and content of the folder that it is mounted on."""
    for service in ours().values():
        assert set(mounts(service, "volume")) <= folders(STAGES[-1]), service["name"]


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        "deploy/compose/secrets/manager_token",
        "seal-processor/target/x",
        "workers/__pycache__/a.pyc",
    ],
)
def test_what_must_not_come_into_the_build(path: str) -> None:
    """Secrets, history and leftovers of other builds stay out."""
    assert IGNORE.leaves_out(Path(path))


@pytest.mark.parametrize("path", ["uv.lock", "workers/cli.py", "seal-processor/src/main.rs", "scripts/python.sh"])
def test_what_must_come_into_the_build(path: str) -> None:
    """The sources and the lock file are there."""
    assert not IGNORE.leaves_out(Path(path))
