"""What was understood of a configuration: values for programs, which the command line makes tables of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sealing.addresses import is_loopback
from sealing.config import hot
from sealing.config.fields import OUR_PROGRAM, STAGES
from sealing.config.hot import as_it_is
from sealing.config.keys import WITHOUT_EFFECT
from sealing.config.machine import RpcServer
from sealing.config.model import Config
from sealing.config.processors import Processor
from sealing.config.tables import Table
from sealing.config.threads import Sealing, Thread
from sealing.stores.layout import HOT_CONFIG
from sealing.units import duration_text, size_text


def understood(config: Config) -> dict[str, Any]:
    """Return what was understood, by section. Its threads are as their own ``config.toml`` changes them now."""
    return {
        "worker": _worker(config),
        "queues": {"fleet": config.temporal.task_queue, "machine": config.worker.name},
        "threads": _threads(as_it_is(config)),
        "stores": [_plain(store) for store in config.stores()],
        "store_selection": _plain(config.attached_selection),
        "processors": _processors(config),
        "shared_locks": dict(config.processors.ext_locks),
        "static_tree_d": {size: str(path) for size, path in config.processors.static_tree_d.items()},
        "policy": _plain(config.policy),
        "temporal": _plain(config.temporal),
        "metrics": _plain(config.metrics),
    }


def _worker(config: Config) -> dict[str, Any]:
    worker, manager = config.worker, config.sector_manager
    return {
        "name": worker.name,
        "rpc_server": f"{worker.rpc_server.host}:{worker.rpc_server.port}",
        "callers": _callers(worker.rpc_server),
        "local_pieces_dirs": _plain(worker.local_pieces_dirs),
        "ping_interval": _plain(worker.ping_interval),
        "manager": manager.url if manager else None,
        "headers": list(manager.rpc_client.headers) if manager else [],
        "piece_token": manager is not None and manager.piece_token is not None,
        "token_file": str(manager.token_file) if manager and manager.token_file else None,
    }


def _callers(service: RpcServer) -> list[str]:
    """Return in words who may call the worker's JSON-RPC: all of it must be met."""
    borne = service.token_file or service.token_env
    token = [f"who bears the token of {borne}"] if borne else []
    if service.allowed_addresses is not None:
        return [*token, ", ".join(map(str, service.allowed_addresses)) or "this machine"]
    return token or ["this machine" if is_loopback(service.host) else "the manager's address"]


def _threads(config: Config) -> list[dict[str, Any]]:
    """Return each thread with the settings that count for it; those without effect are left out."""
    return [
        {
            "index": index,
            "location": str(thread.location),
            "plan": thread.plan,
            HOT_CONFIG: _hot(thread),
            "settings": _settings(config.sealing_of(index)),
        }
        for index, thread in enumerate(config.sealing_thread)
    ]


def _hot(thread: Thread) -> str | None:
    """Return in a word what becomes of the file in a thread's location, if there is one."""
    found = hot.read(thread.location)
    return "broken" if found.broken else "counts" if found.thread else None


def _settings(sealing: Sealing) -> dict[str, Any]:
    space = sealing.min_deal_space
    values = {**_plain(sealing), "min_deal_space": None if space is None else size_text(space)}
    return {name: value for name, value in values.items() if f"sealing.{name}" not in WITHOUT_EFFECT}


def _processors(config: Config) -> list[dict[str, Any]]:
    """Return each program of each stage; a stage of which nothing is said runs our own, without limits.

    A machine without threads runs only the stages of which something is said.
    """
    given = config.processors
    return [
        {
            "stage": stage,
            "program": processor.bin or given.program or OUR_PROGRAM,
            "protocol": processor.spoken,
            "at_once": given.limitation.concurrent.get(stage),
            "staggered": _plain(given.limitation.staggered.get(stage)),
            "time_limit": _plain(given.time_limit.get(stage)),
            "concurrent": processor.concurrent,
            "locks": list(processor.locks),
            "cpuset": processor.cgroup.cpuset if processor.cgroup else None,
            "numa_preferred": processor.numa_preferred,
        }
        for stage in STAGES
        if f"processors.{stage}" not in WITHOUT_EFFECT
        for processor in given.of(stage) or ((Processor(),) if config.sealing_thread else ())
    ]


def _plain(value: object) -> Any:  # noqa: ANN401 - a value of JSON
    """Return a value as JSON has it, durations and paths as people write them."""
    if isinstance(value, Table):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
