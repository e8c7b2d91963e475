"""A Dockerfile read, and its steps run as an ordinary script in a folder that stands for the image's root.

What it knows of the syntax is what our Dockerfile uses; anything else is an error, so that nothing is left out quietly.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from string import Template

RUN, COPY, WORKDIR, ENV = "RUN", "COPY", "WORKDIR", "ENV"
ELSEWHERE = ("USER", "ENTRYPOINT")
"""What says how the image is started, not how it is made."""
SYSTEM = ("groupadd", "useradd", "apt-get")
"""Programs that change the system itself: a step that calls one is looked at, and not run."""


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined."""

    word: str
    rest: str

    @property
    def changes_the_system(self) -> bool:
        """Whether it is a step that must not run outside of an image."""
        return self.word == RUN and any(re.search(rf"\b{program}\b", self.rest) for program in SYSTEM)


@dataclass(frozen=True)
class Stage:
    """One stage: its base image, its name or its number, and what is done in it."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]


def read(file: Path) -> list[Stage]:
    """Return the stages of a Dockerfile."""
    lines = [line for line in file.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name or str(len(stages)), ()))
            continue
        assert word in {RUN, COPY, WORKDIR, ENV, *ELSEWHERE}, f"what is {word}?"
        last = stages[-1]
        stages[-1] = Stage(last.base, last.name, (*last.instructions, Instruction(word, rest)))
    return stages


def last_of(stage: Stage, word: str) -> str:
    """Return what a stage's last instruction of a kind says."""
    return next(each.rest for each in reversed(stage.instructions) if each.word == word)


def entrypoint(stage: Stage) -> list[str]:
    """Return the program that a stage's image starts."""
    argv: list[str] = json.loads(last_of(stage, "ENTRYPOINT"))
    return argv


@dataclass(frozen=True)
class Ignore:
    """A .dockerignore: the last pattern that a path, or a folder that it is in, matches decides."""

    patterns: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Ignore:
        """Read the file."""
        lines = map(str.strip, file.read_text().splitlines())
        return cls(tuple(line for line in lines if line and not line.startswith("#")))

    def leaves_out(self, path: Path) -> bool:
        """Tell whether a path below the context's folder does not come into the build."""
        out = False
        for pattern in self.patterns:
            if self._matches(path, pattern.removeprefix("!")):
                out = not pattern.startswith("!")
        return out

    @staticmethod
    def _matches(path: Path, pattern: str) -> bool:
        """Tell whether a pattern is of a path or of a folder above it: ``**/`` at any depth, else at its own."""
        anywhere, deep = pattern.removeprefix("**/"), pattern.startswith("**/")
        parts = [part for part in (path, *path.parents) if part != Path()]
        if deep:
            return any(fnmatch(part.name, anywhere) for part in parts)
        return any(fnmatch(str(part), pattern) for part in parts if len(part.parts) == len(Path(pattern).parts))


@dataclass
class Build:
    """A build: ``context`` is copied from, ``root`` stands for / while a stage is made, and is put by when it is done.

    Where ``root`` is must be of no other use, for a stage is made at its last place: an environment is bound to it.
    """

    context: Path
    root: Path
    environment: Mapping[str, str]
    done: dict[str, Path] = field(default_factory=dict)

    def run(self, stages: list[Stage], ignore: Ignore) -> Path:
        """Make each stage in turn and return the last one's root, at its place. Raises CalledProcessError."""
        for stage in stages:
            if self.root.exists():
                previous = self.root.with_name(f"stage-{len(self.done)}")
                self.root.rename(previous)
                self.done[stages[len(self.done)].name] = previous
            self.root.mkdir()
            _Making(self, ignore).make(stage)
        return self.root


@dataclass
class _Making:
    """One stage while it is made."""

    build: Build
    ignore: Ignore
    folder: Path = Path("/")
    variables: dict[str, str] = field(default_factory=dict)

    def make(self, stage: Stage) -> None:
        for each in stage.instructions:
            if each.word == WORKDIR:
                self.folder = Path(each.rest)
                self.inside(each.rest).mkdir(parents=True, exist_ok=True)
            elif each.word == ENV:
                self.set(each.rest)
            elif each.word == COPY:
                self.copy(each.rest.split())
            elif each.word == RUN and not each.changes_the_system:
                self.script(each.rest)

    def inside(self, path: str) -> Path:
        """Return where a path of the image is."""
        return self.build.root / (self.folder / path).relative_to("/")

    def placed(self, text: str) -> str:
        """Return a text with the image's folders of ours replaced by where they are."""
        return re.sub(r"(?<![\w./}-])/(opt|src|var)/", rf"{self.build.root}/\1/", text)

    def set(self, assignments: str) -> None:
        for assignment in assignments.split():
            name, _, value = assignment.partition("=")
            self.variables[name] = Template(self.placed(value)).substitute(self.all())

    def all(self) -> dict[str, str]:
        """Return the whole environment."""
        return {**self.build.environment, **self.variables}

    def script(self, text: str) -> None:
        argv = ["bash", "-euo", "pipefail", "-c", self.placed(text)]
        subprocess.run(argv, cwd=self.inside("."), env=self.all(), check=True, capture_output=True, text=True)

    def copy(self, words: list[str]) -> None:
        source = self.build.context
        if words[0].startswith("--from="):
            source = self.build.done[words.pop(0).removeprefix("--from=")]
        *names, target = words
        place = self.inside(target)
        for name in names:
            taken = source / name.lstrip("/")
            if taken.is_dir():
                shutil.copytree(taken, place, symlinks=True, dirs_exist_ok=True, ignore=self.left_out)
            else:
                assert source != self.build.context or not self.ignore.leaves_out(Path(name)), f"{name} is left out"
                file = place / taken.name if target.endswith("/") else place
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(taken, file)

    def left_out(self, folder: str, names: list[str]) -> list[str]:
        """Return which of a folder's names do not come into the build."""
        if not Path(folder).is_relative_to(self.build.context) or Path(folder).is_relative_to(self.build.root.parent):
            return []
        within = Path(folder).relative_to(self.build.context)
        return [name for name in names if self.ignore.leaves_out(within / name)]
