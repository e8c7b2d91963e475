"""The dashboards' files, as Grafana reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.dashboards.fleet import fleet
from deploy.dashboards.machine import machine
from deploy.dashboards.sector import sector
from deploy.dashboards.temporal import temporal

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"
BUILDERS = {"fleet": fleet, "machine": machine, "sector": sector, "temporal": temporal}
"""Each dashboard by its file's name."""


def texts() -> Mapping[str, str]:
    """Return the text of each dashboard's file, by name."""
    return {
        name: json.dumps(build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n" for name, build in BUILDERS.items()
    }


def file(name: str) -> Path:
    """Return a dashboard's file."""
    return FOLDER / f"{name}.json"
