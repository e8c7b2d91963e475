"""Grafana's dashboards: current, complete, and about metrics that there are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards.files import BUILDERS, file, texts
from deploy.dashboards.reading import Asked, Shown, panels
from tests.deploy.metrics import problems

SHOWN = [pytest.param(panel, id=f"{name}: {panel.title}") for name in BUILDERS for panel in panels(name)]
QUERIES = [
    pytest.param(query, id=f"{name}: {panel.title}")
    for name in BUILDERS
    for panel in panels(name)
    for query in panel.queries
]


def read(name: str) -> dict[str, Any]:
    """Return a dashboard's file."""
    found: dict[str, Any] = json.loads(file(name).read_text())
    return found


@pytest.mark.parametrize("name", BUILDERS)
def test_the_files_are_current(name: str) -> None:
    """What ``make dashboards`` would write is what there is."""
    assert file(name).read_text() == texts()[name], "type: make dashboards"


@pytest.mark.parametrize("name", BUILDERS)
def test_a_file_is_a_dashboard_to_grafana(name: str) -> None:
    """Read by Grafana's own model it has its panels; its uid is stable, it leads to the others and is refreshed."""
    found = read(name)
    built = Dashboard.from_json(found)
    assert len(built.panels or []) == len(found["panels"])
    assert (built.uid, built.refresh) == (f"sealflow-{name}", "30s")
    assert found["links"][0]["tags"] == found["tags"] == ["sealflow"]
    assert {source["uid"] for source in sources(found)} == {
        "${prometheus}",
        *(["${jaeger}"] if name == "sector" else []),
    }
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found["panels"]}
    assert len(places) == len({panel["id"] for panel in found["panels"]}) == len(found["panels"])


def sources(found: dict[str, Any]) -> list[dict[str, str]]:
    """Return the data sources that panels ask."""
    return [panel["datasource"] for panel in found["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", SHOWN)
def test_a_panel_says_what_it_shows(panel: Shown) -> None:
    """It has a title in sentence case, a description in sentences, a unit, and names for its series."""
    assert panel.title[0].isupper()
    assert all(
        word.islower() or word in {"SDK", "Temporal", "95"} or not word.isalpha() for word in panel.title.split()[1:]
    )
    assert panel.text[0].isupper()
    assert panel.text.rstrip("'").endswith((".", "ID")) or "sealflow sector list" in panel.text
    assert panel.unit
    assert panel.kind in {"stat", "table"} or all(query.legend for query in panel.queries)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_metrics_that_there_are(query: Asked) -> None:
    """Names and labels are those of the definitions, or of Temporal."""
    assert problems(query.expression) == []


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(sealflow_sector)", "no metric sealflow_sector"),
        ('sealflow_sectors{stage="pc1"}', "sealflow_sectors has no label stage"),
        ("sum by (sector) (sealflow_sectors)", "no metric here has the label sector"),
    ],
)
def test_what_there_is_not_is_noticed(expression: str, problem: str) -> None:
    """A metric, a label to choose by, a label to group by."""
    assert problems(expression) == [problem]
