"""A thread's hot configuration: ``config.toml`` in its location, read before each task.

It holds the keys of a ``[[sealing_thread]]``, which count over those of the worker's file. A broken one does not stop a
thread: what was read before still counts, and every place that shows the thread says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sealing.config.model import Config
from sealing.config.parsing import parse
from sealing.config.problems import ConfigError, Problem
from sealing.config.threads import HotThread
from sealing.config.validating import validated
from sealing.stores.layout import HOT_CONFIG


@dataclass(frozen=True)
class Hot:
    """What a location's file says: None where there is none, or where it is broken."""

    thread: HotThread | None = None
    broken: str = ""
    """Which file is broken, where, and what would be right."""
    ignored: tuple[str, ...] = ()
    """Its keys that have no place there, with their lines."""


def read(location: Path) -> Hot:
    """Read the file of a location."""
    file = location / HOT_CONFIG
    try:
        if not file.exists():
            return Hot()
        if not file.is_file():
            return Hot(broken=f"the hot configuration {file} is no file; write one, or remove it")
        source = parse(file)
    except OSError as error:
        return Hot(broken=f"the hot configuration {file} cannot be read ({error.strerror})")
    except ConfigError as error:
        return Hot(broken=_broken(file, error.problems))
    found = validated(HotThread, source.raw)
    if found.model is None:
        return Hot(broken=_broken(file, tuple(source.problem(finding) for finding in found.wrong)))
    return Hot(found.model, ignored=tuple(f"{file}: {source.unknown(finding)}" for finding in found.unknown))


def as_it_is(config: Config) -> Config:
    """Return a configuration with each thread as the file in its location changes it now; a broken one changes nothing.

    It reads the locations, and hangs where one of them does.
    """
    for index, thread in enumerate(config.sealing_thread):
        config = config.heated(index, read(thread.location).thread)
    return config


def _broken(file: Path, problems: tuple[Problem, ...]) -> str:
    return f"the hot configuration {file} is broken: {'; '.join(map(str, problems))}"


@dataclass
class HotFiles:
    """The hot configurations of a worker's threads; of a broken one, what was good in this worker's life."""

    _good: dict[Path, HotThread | None] = field(default_factory=dict)

    def of(self, location: Path) -> tuple[HotThread | None, str]:
        """Return what counts now for the thread of a location, and what there is to say about it."""
        found = read(location)
        if not found.broken:
            self._good[location] = found.thread
            return found.thread, ""
        if location in self._good:
            return self._good[location], f"{found.broken}; what was read before still counts"
        kept = "none was read since this worker started: the settings of the worker's own file count"
        return None, f"{found.broken}; {kept}"
