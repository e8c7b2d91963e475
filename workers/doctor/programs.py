"""The programs of the stages: that they are there and run. And the proof parameters that ours needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from sealing.cache import PROCESSOR, ProgramMissingError, find_processor, proof_environment
from sealing.config import SIMULATED, STAGES, Processors
from sealing.failures import bounded
from sealing.processors.parameters import POREP, UPDATE, parameters_command
from sealing.proofs import SECTOR_SIZES
from workers.doctor.checks import Answer, Check, ok, warning, wrong

FETCHED = frozenset({"32GiB", "64GiB"})
"""Sizes whose parameters come from the network's trusted setup; those of the others are made here."""
MISSING = 1
"""Exit status of our program where parameters are missing."""
SAID_LIMIT = 300
"""Characters of what a program said that are shown."""


PROVED_BY = {POREP: "c2", UPDATE: "snap_prove"}
"""The stage that needs each kind of parameters."""


def checks(processors: Processors, sizes: Sequence[str], kinds: Sequence[str] = (POREP,)) -> list[Check]:
    """Return the checks of our program, of those that are configured, and of the parameters of ``sizes``.

    ``kinds`` are those that the plans of the threads need.
    """
    return [
        Check("processor", partial(own, processors.program)),
        *(
            Check(f"processor {', '.join(stages)}", partial(configured, program))
            for program, stages in _configured(processors).items()
        ),
        *(Check(f"{kind} parameters", partial(parameters, processors, sizes, kind)) for kind in kinds),
    ]


def _configured(processors: Processors) -> dict[str, list[str]]:
    """Return the programs that are configured, each with its stages."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for stage in STAGES:
        for program in dict.fromkeys(one.bin for one in processors.of(stage) if one.bin):
            found[program].append(stage)
    return dict(found)


async def own(program: str | None) -> Answer:
    """Look at our own program of the stages."""
    if program == SIMULATED:
        return warning(
            f"{SIMULATED}: nothing is computed, no sector is real", "remove [processors] program, except in a test"
        )
    try:
        path = await asyncio.to_thread(find_processor, program)
    except ProgramMissingError as error:
        what, _, remedy = str(error).rpartition("; ")
        return wrong(what, remedy)
    return await _versioned(path)


async def configured(program: str) -> Answer:
    """Look at a program that the configuration names for stages; only ours is asked for its version."""
    found = await asyncio.to_thread(shutil.which, program)
    if found is None:
        return wrong(f"{program} is no program that this user can run", "correct its bin, or: chmod +x it")
    return await _versioned(Path(found)) if Path(found).name == PROCESSOR else ok(found)


async def _versioned(path: Path) -> Answer:
    try:
        status, said = await _run([str(path), "--version"])
    except OSError as error:
        status, said = -1, str(error)
    if status:
        return wrong(f"{path} does not run: {said or f'exit status {status}'}", "make setup, which builds it")
    return ok(f"{path}, {said}")


async def parameters(processors: Processors, sizes: Sequence[str], kind: str) -> Answer:
    """Look whether the parameters for ``sizes`` are there; without sizes, for which ones they are."""
    if processors.program == SIMULATED:
        return ok("the simulated processor needs none")
    stage = PROVED_BY[kind]
    if (others := processors.of(stage)) and others[0].bin is not None:
        return ok(f"{stage} is run by {others[0].bin}: its parameters are its own")
    try:
        path = await asyncio.to_thread(find_processor, processors.program)
    except ProgramMissingError:
        return warning("not checked: there is no processor", "put right processor first")
    asked = sizes or tuple(SECTOR_SIZES)
    ready = await asyncio.gather(*(_ready(path, size, kind) for size in asked))
    there = [size for size, is_ready in zip(asked, ready, strict=True) if is_ready]
    missing = [size for size in asked if size not in there]
    folder = proof_environment()["FIL_PROOFS_PARAMETER_CACHE"]
    if sizes and missing:
        return wrong(f"those for {', '.join(missing)} are not in {folder}", _making(path, missing, kind))
    if not there:
        text = f"there are none in {folder}: {stage} waits for those of its sector's size"
        return warning(text, _making(path, ["32GiB"], kind))
    return ok(f"those for {', '.join(there)} are in {folder}")


def _making(path: Path, sizes: Sequence[str], kind: str) -> str:
    """Return the commands that bring the parameters."""
    folder = shlex.quote(proof_environment()["FIL_PROOFS_PARAMETER_CACHE"])
    argvs = [
        ["lotus", "fetch-params", size] if size in FETCHED else parameters_command([str(path)], size, kind)
        for size in sizes
    ]
    return " && ".join(f"FIL_PROOFS_PARAMETER_CACHE={folder} {shlex.join(argv)}" for argv in argvs)


async def _ready(path: Path, size: str, kind: str) -> bool:
    """Tell whether parameters are complete. Raises RuntimeError where the program does not tell."""
    status, said = await _run([*parameters_command([str(path)], size, kind), "--check"], proof_environment())
    if status not in {0, MISSING}:
        raise RuntimeError(f"{path} params --check ended with status {status}: {said}")
    return status == 0


async def _run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end and return its exit status and what it said; cancelled, it is killed with its children.

    Raises OSError where it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        status = await process.wait()
    return status, bounded(" ".join(said.decode(errors="replace").split()), SAID_LIMIT)
