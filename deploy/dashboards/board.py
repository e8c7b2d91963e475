"""What all dashboards have in common: data sources, links to each other, refresh, and ids that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.models.dashboard import Dashboard as Built
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.dashboards.panels import PROMETHEUS, Panel

REFRESH = "30s"
SINCE = "now-24h"
TAG = "sealflow"
WINDOWS = ("15m", "1h", "6h", "1d", "7d")
WINDOW = "1d"
"""Over which time rare things are summed up, unless another is chosen: a large sector takes half a day."""

Variable = CustomVariable | DatasourceVariable | QueryVariable | TextBoxVariable


@dataclass(frozen=True)
class Group:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


def board(
    name: str,
    text: str,
    *groups: Group,
    variables: Sequence[Variable] = (),
    links: Sequence[DashboardLink] = (),
) -> Built:
    """Build a dashboard. ``name`` is its file's and in its uid, so that links to it stay good."""
    made = Dashboard(f"sealflow: {name}").uid(f"sealflow-{name}").description(text).tags([TAG]).readonly()
    made.refresh(REFRESH).time(SINCE, "now").timezone("browser").links([_others(), *links])
    for variable in (_source("prometheus"), _source("jaeger"), *variables):
        made.with_variable(variable)
    for group in groups:
        made.with_row(Row(group.title))
        for panel in group.panels:
            made.with_panel(panel)
    return _numbered(made.build())


def window() -> CustomVariable:
    """Return the choice of the time over which rare things are summed up: ``$window`` in queries."""
    options = [VariableOption(text=each, value=each, selected=each == WINDOW) for each in WINDOWS]
    chosen = VariableOption(text=WINDOW, value=WINDOW, selected=True)
    made = CustomVariable("window").label("Summed up over").values(",".join(WINDOWS))
    return made.options(options).current(chosen)


def instance() -> QueryVariable:
    """Return the choice of machines: ``$instance`` in queries, one or more."""
    made = QueryVariable("instance").label("Machine").datasource(PROMETHEUS)
    made.query("label_values(sealflow_build_info, instance)").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    return made.sort(VariableSort.ALPHABETICAL_ASC).multi(multi=True).include_all(include_all=True).current(_all())


def sector_box() -> TextBoxVariable:
    """Return the box for a sector's id: ``$sector`` in queries and links."""
    return text_box("sector", "Sector", "s-t01000-1")


def text_box(name: str, label: str, default: str) -> TextBoxVariable:
    """Return a box for a text."""
    made = TextBoxVariable(name).label(label).default_value(default)
    return made.current(VariableOption(text=default, value=default))


def _all() -> VariableOption:
    return VariableOption(text="All", value="$__all", selected=True)


def _source(kind: str) -> DatasourceVariable:
    """Return the choice of a data source. Its uid is the kind, as provisioning has it."""
    chosen = VariableOption(text=kind, value=kind, selected=True)
    return DatasourceVariable(kind).label(kind.capitalize()).type(kind).current(chosen).hide(VariableHide.HIDE_VARIABLE)


def _others() -> DashboardLink:
    made = DashboardLink("Others").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.keep_time(keep_time=True).as_dropdown(as_dropdown=False)


def _numbered(built: Built) -> Built:
    """Give each panel an id: Grafana would draw others at each import, and links to panels would break."""
    for number, panel in enumerate(built.panels or (), start=1):
        panel.id_val = number
    return built
