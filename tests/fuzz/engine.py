"""One target under atheris, in a process of its own: ``python -m tests.fuzz.engine TARGET REPORT [OPTION …]``.

The options are libFuzzer's. REPORT is a file in which the computing seconds of the slowest input so far are.
Without options, REPORT is an input, which is run once, uninstrumented: exit status 1 says that it is a finding.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from tests.fuzz.mutate import mutated
from tests.fuzz.target import CORPUS

INSTRUMENTED = (
    "activities.parcels",
    "json",
    "sealing",
    "tests.fuzz.targets",
    "tomllib",
    "workers.embedded",
    "workers.encryption",
    "workflows.commands",
)
"""Packages and modules whose branches guide the search."""
SECONDS = 1.0
"""An input that computes for longer hangs."""
FOUND = 77
"""Exit status of a process that has found something."""
MEMORY = 1 << 30
"""Bytes that a process may take beyond what it has when it begins."""


def main() -> None:
    """Fuzz, or run one input again."""
    name, file, *options = sys.argv[1:]
    if options:
        _fuzz(name, Path(file), options)
    sys.exit(_again(name, Path(file)))


def _again(name: str, file: Path) -> int:
    target = importlib.import_module("tests.fuzz.targets").TARGETS[name]
    for path in target.seeds[-3:]:  # the first input pays for what is built once
        target.take(path.read_bytes())
    _limit_memory()
    data, began = file.read_bytes(), time.thread_time()
    try:
        target.take(data)
    except Exception:  # noqa: BLE001 - whatever a parser does not document
        traceback.print_exc()
        return 1
    taken = time.thread_time() - began
    sys.stderr.write(f"{name}: {len(data)} bytes, {taken:.3f} s\n")
    return int(taken > SECONDS)


def _fuzz(name: str, report: Path, options: Sequence[str]) -> None:
    atheris: Any = importlib.import_module("atheris")  # only where somebody fuzzes: it is no part of the set-up
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        target = importlib.import_module("tests.fuzz.targets").TARGETS[name]
    seeds = [path.read_bytes() for path in target.seeds]
    slowest = 0.0

    def take(data: bytes) -> None:
        nonlocal slowest
        began = time.thread_time()
        try:
            target.take(data)
        except BaseException:  # noqa: BLE001 - whatever a parser does not document
            _keep(name, data)
        if (taken := time.thread_time() - began) > slowest:
            slowest = taken
            report.write_text(f"{slowest:.3f}")

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - inputs must come again with the seed
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, seeds, target.words, random)[:most]

    _limit_memory()
    atheris.Setup([sys.argv[0], *options], take, custom_mutator=mutate)
    atheris.Fuzz()


def _keep(name: str, data: bytes) -> NoReturn:
    """Keep an input that is a finding, and end at once: libFuzzer's alarm kills a process that takes its time."""
    traceback.print_exc()
    (CORPUS / name / f"crash-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
    sys.stderr.flush()
    os._exit(FOUND)


def memory_limit() -> int:
    """Return the bytes of address space that this process may have from now on."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit(),) * 2)


if __name__ == "__main__":
    main()
