"""A run of the demo, from its first start to its end: interrupted and started again, it is still the same run."""

from __future__ import annotations

from pathlib import Path

from sealing.stores import durable
from sealing.values import Frozen


class Run(Frozen):
    """When a run was first started, in seconds since 1970, and the deal that it made."""

    began: float
    deal: int

    def keep(self, file: Path) -> None:
        """Remember the run."""
        durable.write(file, self.model_dump_json().encode())


def interrupted(file: Path) -> Run | None:
    """Return the run that has not come to its end, or None."""
    return Run.model_validate_json(file.read_text()) if file.exists() else None
