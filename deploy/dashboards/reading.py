"""Reads the dashboards' files, for those who ask Prometheus what the panels ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.dashboards.files import file


@dataclass(frozen=True)
class Asked:
    """One query of a panel."""

    expression: str
    legend: str
    is_instant: bool

    def with_values(self, values: Mapping[str, str]) -> str:
        """Return the expression with Grafana's variables replaced, each by name."""
        text = self.expression
        for name in sorted(values, key=len, reverse=True):
            text = text.replace(f"${name}", values[name])
        return text


@dataclass(frozen=True)
class Shown:
    """One panel. Without queries it asks another than Prometheus."""

    title: str
    kind: str
    text: str
    unit: str
    is_stacked: bool
    levels: tuple[float, ...]
    width: int
    height: int
    queries: tuple[Asked, ...]


def panels(name: str) -> list[Shown]:
    """Return the panels of a dashboard, in their order."""
    found = json.loads(file(name).read_text())["panels"]
    return [_panel(panel) for panel in found if panel["type"] != "row"]


def _panel(panel: Mapping[str, Any]) -> Shown:
    defaults, place = panel["fieldConfig"]["defaults"], panel["gridPos"]
    steps = defaults.get("thresholds", {}).get("steps", ())
    return Shown(
        title=panel["title"],
        kind=panel["type"],
        text=panel.get("description", ""),
        unit=defaults.get("unit", ""),
        is_stacked=defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal",
        levels=tuple(step["value"] for step in steps if step["value"] is not None),
        width=place["w"],
        height=place["h"],
        queries=tuple(_query(target) for target in panel["targets"] if "expr" in target),
    )


def _query(target: Mapping[str, Any]) -> Asked:
    return Asked(target["expr"], target.get("legendFormat", ""), bool(target.get("instant")))
