"""The checks that a configuration asks for, or those that need none, run at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from sealing.config import Attached, Config, ConfigError, Processors, Temporal, as_it_is, load
from sealing.flow.sealer import SEALER
from sealing.flow.snapup import SNAPUP
from sealing.processors.parameters import POREP, UPDATE
from sealing.proofs import SECTOR_SIZES
from sealing.stores.layout import space_needed
from workers.doctor import machine, manager, placement, programs, tasks
from workers.doctor.checks import CALL_LIMIT, Answer, Check, Finding, ok, run_all, warning, wrong
from workers.doctor.server import Server

T = TypeVar("T")


async def examine(file: Path | None) -> list[Finding]:
    """Check what the worker's configuration ``file`` asks for; without one, what the default settings do."""
    if file is None:
        return await run_all(_without_file())
    config = await _tables(file)
    first = Check("configuration", partial(_configuration, file))
    if config is None:
        return await run_all([first, Check("all else", _unread), Check("open files", machine.open_files)])
    now = await _in_time(partial(as_it_is, config))
    stores = await _in_time(config.stores)
    hung = [] if now and stores is not None else [Check("folders", _hung)]
    return await run_all([first, *hung, *_of(now or config, config.attached if stores is None else stores)])


async def _in_time(look: Callable[[], T]) -> T | None:
    """Return what a look at folders gives; None where one of them hangs."""
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(asyncio.to_thread(look), CALL_LIMIT)
    return None


async def _tables(file: Path) -> Config | None:
    """Return the configuration without a look at its folders, so that each can be told apart; None if it is wrong."""
    # Whatever is wrong with the file is told by the check of the configuration.
    with contextlib.suppress(Exception):
        return await asyncio.wait_for(asyncio.to_thread(load, file, places=False), CALL_LIMIT)
    return None


def _without_file() -> list[Check]:
    temporal = Temporal()
    return [
        Check("configuration", _no_file),
        *Server(temporal).checks(),
        *programs.checks(Processors(), ()),
        Check("clock", partial(manager.clock, manager.told_by_temporal(temporal))),
        Check("open files", machine.open_files),
    ]


def _of(config: Config, stores: Sequence[Attached]) -> list[Check]:
    sizes = _sizes(config)
    needed = max((space_needed(SECTOR_SIZES[size]) for size in sizes), default=0)
    told = [*([f"{config.manager.url}/"] if config.sector_manager else []), *manager.told_by_temporal(config.temporal)]
    server = Server(config.temporal)
    return [
        *server.checks(),
        *([Check("manager", partial(manager.manager, config))] if config.sector_manager else []),
        *(Check(f"store {store.name}", partial(machine.store, store, needed)) for store in stores),
        *(
            Check(f"thread {index}", partial(machine.location, thread.location))
            for index, thread in enumerate(config.sealing_thread)
        ),
        *(
            Check(f"sector of thread {index}", partial(tasks.task_in, server, config.file, thread.location))
            for index, thread in enumerate(config.sealing_thread)
        ),
        *programs.checks(config.processors, sizes, _kinds(config)),
        *placement.checks(config.processors),
        Check("clock", partial(manager.clock, told)),
        Check("open files", machine.open_files),
    ]


def _sizes(config: Config) -> tuple[str, ...]:
    """Return the sector sizes that the threads ask for, each once; none where a thread takes any."""
    asked = [config.sealing_of(index).allowed_sizes for index in range(len(config.sealing_thread))]
    return tuple(dict.fromkeys(size for sizes in asked for size in sizes)) if all(asked) else ()


def _kinds(config: Config) -> tuple[str, ...]:
    """Return the kinds of proof parameters that the threads' plans, or a machine that proves for others, need."""
    plans = {thread.plan for thread in config.sealing_thread}
    kinds = {POREP: (SEALER.name, "c2"), UPDATE: (SNAPUP.name, "snap_prove")}
    return tuple(
        kind for kind, (plan, stage) in kinds.items() if plan in plans or (not plans and config.processors.of(stage))
    )


async def _configuration(file: Path) -> Answer:
    try:
        config = await asyncio.to_thread(load, file)
    except ConfigError as error:
        problems = "; ".join(map(str, error.problems))
        return wrong(f"{file}: {problems}", f"correct {file}")
    if config.warnings:
        return warning(f"{file}: {'; '.join(config.warnings)}", f"remove or correct these keys in {file}")
    return ok(str(file))


async def _hung() -> Answer:
    return wrong(
        f"no answer within {CALL_LIMIT:g} s from a thread's location, or from where scan_persist_stores looks",
        "look which disk or mount hangs, then run this again",
    )


async def _no_file() -> Answer:
    return warning(
        "no file was given: defaults are checked, but no manager, no store and no thread",
        "sealflow doctor -c FILE, with the worker's TOML file",
    )


async def _unread() -> Answer:
    return warning("not checked: the configuration cannot be read", "put right configuration first")
