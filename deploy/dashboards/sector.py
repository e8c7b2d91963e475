"""One sector: its traces, the way to its page, and what is usual, so that one sees whether it is slow.

No metric has a label for a sector, for there would be a series for each that ever was. So its own story comes from the
trace store and from Temporal, found by the id in the text box; Prometheus tells what is usual.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import DashboardLink, QueryVariable
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
)

from deploy.dashboards.board import Group, board, sector_box, text_box, window
from deploy.dashboards.expressions import MEDIAN, MOST, agreed, happened, quantile
from deploy.dashboards.panels import HALF, PROMETHEUS, Query, bars, lines, traces
from deploy.dashboards.traces import Traces

TEXT = "One sector, by its id: its traces and its page in Temporal, beside what is usual for a sector."
PAGES = "${web_ui}/namespaces/${namespace}/workflows"
LINKS = {
    "Its sealing in Temporal": f"{PAGES}/sealer-${{task}}",
    "Its upgrade in Temporal": f"{PAGES}/snapup-${{task}}",
    "All its tasks in Temporal": PAGES + "?query=SectorId%3D%22${sector}%22",
}
"""Of one sector: its workflow's id is the flow's and the sector's."""


def _links() -> list[DashboardLink]:
    return [
        DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(target_blank=True)
        for title, url in LINKS.items()
    ]


OWN = Group(
    "This sector, from the trace store",
    (
        traces(
            "Traces of the sector",
            "Its traces, the latest first, within the dashboard's time: a row leads to the spans of its steps. "
            "Empty where no traces are collected; the links above lead to its page in Temporal, which always knows.",
            Traces("sealflow.sector=$sector"),
        ).links(list(_links())),
    ),
)

USUAL = Group(
    "What is usual, of all sectors",
    (
        bars(
            "Usual time in a state",
            "Half of the sectors left the state within this. sealflow sector history ID has this sector's own times.",
            "s",
            Query(quantile(MEDIAN, "sealflow_state_seconds", "flow, state"), "{{flow}} {{state}}"),
            width=HALF,
        ),
        bars(
            "Slow time in a state",
            "All but one of twenty sectors left the state within this: a sector that is in it for longer is slow.",
            "s",
            Query(quantile(MOST, "sealflow_state_seconds", "flow, state"), "{{flow}} {{state}}"),
            width=HALF,
        ),
        bars(
            "Usual run of a stage",
            "Half of the stage's computations took less, all but one of twenty less than the second; no waiting in it.",
            "s",
            Query(quantile(MEDIAN, "sealflow_stage_run_seconds", "stage"), "{{stage}}, median"),
            Query(quantile(MOST, "sealflow_stage_run_seconds", "stage"), "{{stage}}, 95 %"),
            width=HALF,
        ),
        bars(
            "Usual wait for a stage",
            "Half of the stage's jobs waited less for their turn, all but one of twenty less than the second.",
            "s",
            Query(quantile(MEDIAN, "sealflow_stage_wait_seconds", "stage"), "{{stage}}, median"),
            Query(quantile(MOST, "sealflow_stage_wait_seconds", "stage"), "{{stage}}, 95 %"),
            width=HALF,
        ),
    ),
)

COMPANY = Group(
    "Is it alone with that?",
    (
        lines(
            "Sectors by state",
            "How many sectors are in each state: one that is in a state with many others waits with them.",
            "short",
            Query(agreed("sealflow_sectors", "flow, state") + " > 0", "{{flow}} {{state}}"),
            stacked=True,
        ),
        bars(
            "Failures by step",
            "Steps that failed, of all sectors: a fault of this sector alone, or of its machine, or of all.",
            "short",
            Query(happened("sealflow_failures_total", "flow, step, level"), "{{flow}} {{step}}: {{level}}"),
        ),
        bars(
            "Usual wait for the chain",
            "Half of the messages landed, and of the seeds came, within this.",
            "s",
            Query(quantile(MEDIAN, "sealflow_chain_wait_seconds", "step"), "{{step}}"),
        ),
    ),
)


def _task() -> QueryVariable:
    """Return what the ids of a sector's workflows end in, cut out of its id by Prometheus, which Grafana cannot."""
    named = 'label_replace(vector(0), "id", "$sector", "", "")'
    cut = f'query_result(label_replace({named}, "task", "$1", "id", "s-(.+)"))'
    made = QueryVariable("task").datasource(PROMETHEUS).query(cut).regex('/task="([^"]+)"/')
    made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).hide(VariableHide.HIDE_VARIABLE)
    return made.current(VariableOption(text="t01000-1", value="t01000-1"))


def sector() -> Dashboard:
    """Return the dashboard."""
    boxes = (
        sector_box(),
        _task(),
        text_box("web_ui", "Temporal's Web UI", "http://127.0.0.1:8080"),
        text_box("namespace", "Namespace", "default"),
    )
    return board("sector", TEXT, OWN, USUAL, COMPANY, variables=(*boxes, window()), links=_links())
