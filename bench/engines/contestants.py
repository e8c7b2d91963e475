"""Who takes part: with what, and what the one sees who has to say why a chain stands still."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "sealflow"
DBOS = "dbos"
LEAST = "temporal-least"


@dataclass(frozen=True)
class Contestant:
    """An engine, the module of its contender, the servers that it needs, and the package, where it is not ours."""

    name: str
    module: str
    servers: tuple[str, ...]
    sees: str
    package: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    least: bool = False
    """Whether it makes the activities alone, and is no contestant but a bound for ours."""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return self.package is None or importlib.util.find_spec(self.package) is not None


_DBOS_SEES = (
    "rows of workflows and steps with outputs and errors in PostgreSQL, listed by the dbos command; a step under way, "
    "and whether its process lives, is not among them; pages are a service of its own (Conductor)"
)

CONTESTANTS = (
    Contestant(
        OURS,
        "bench.engines.by_sealflow",
        ("postgres", "temporal"),
        "every sector in the Web UI with its state, what it waits for, the last failure, what is computed and on which "
        "machine, its whole history; signals to pause, resume, abort; lists by state; metrics and alerts",
    ),
    Contestant(LEAST, "bench.engines.by_temporal", ("postgres", "temporal"), "a history without meaning", least=True),
    *(
        Contestant(
            f"{DBOS}-{name}",
            "bench.engines.by_dbos",
            ("postgres",),
            _DBOS_SEES,
            package=DBOS,
            settings={"plain": plain},
        )
        for name, plain in (("async", False), ("sync", True))
    ),
    Contestant(
        "restate",
        "bench.engines.by_restate",
        ("restate",),
        "every invocation in the server's own pages and by SQL, with its journal, attempts and last failure; there and "
        "by its command pause, resume, cancel, kill",
        package="restate",
    ),
    Contestant("sqlite", "bench.engines.by_sqlite", (), "a table, for who can read it; nothing else"),
)
"""DBOS takes part twice, with coroutines and with plain functions: either may be the faster."""
