"""The table of targets, by room."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import configuration, files, orders, processors, wire

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *wire.TARGETS,
        *processors.TARGETS,
        *configuration.TARGETS,
        *files.TARGETS,
        *orders.TARGETS,
    )
}
