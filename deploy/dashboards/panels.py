"""The panels that the dashboards are made of: lines over time, a number, bars, a table, and traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as viz
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DataTransformerConfig, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.dashboards.traces import Traces

PROMETHEUS = DataSourceRef("prometheus", "${prometheus}")
JAEGER = DataSourceRef("jaeger", "${jaeger}")
THIRD, HALF, FULL, SIXTH = 8, 12, 24, 4
"""Widths in Grafana's grid."""
HEIGHT = 8
NOTHING = "none"
"""What stands in a panel that has no data."""

Panel = timeseries.Panel | stat.Panel | bargauge.Panel | table.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel, table.Panel)


@dataclass(frozen=True)
class Query:
    """What a panel asks Prometheus, and what each series is called: labels stand in double braces."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Levels:
    """From which value on something is a warning, and from which it is bad. ``falling``: below which."""

    warning: float
    bad: float
    falling: bool = False

    def build(self) -> dashboard.ThresholdsConfig:
        """Return Grafana's form."""
        colours = ("red", "orange", "green") if self.falling else ("green", "orange", "red")
        limits = (None, *sorted((self.warning, self.bad)))
        steps = [Threshold(limit, colour) for limit, colour in zip(limits, colours, strict=True)]
        return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _levels(levels: Levels | None) -> dashboard.ThresholdsConfig:
    neutral = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(None, "blue")])
    return neutral if levels is None else levels.build()


def lines(  # noqa: PLR0913 - each is one thing in which panels differ
    title: str,
    text: str,
    unit: str,
    *queries: Query,
    stacked: bool = False,
    levels: Levels | None = None,
    width: int = THIRD,
) -> timeseries.Panel:
    """Show how values went over time; ``levels`` are drawn as lines."""
    panel = timeseries.Panel().line_width(1).fill_opacity(30 if stacked else 5).min(0)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .placement(viz.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull"])
    )
    panel.tooltip(common.VizTooltipOptions().mode(viz.TooltipDisplayMode.MULTI).sort(viz.SortOrder.DESCENDING))
    if stacked:
        panel.stacking(common.StackingConfig().mode(viz.StackingMode.NORMAL).group("A"))
    if levels is not None:
        panel.thresholds(levels.build())
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(viz.GraphTresholdsStyleMode.DASHED))
    return _asking(_described(panel, title, text, unit), queries, is_instant=False).span(width)


def number(title: str, text: str, unit: str, *queries: Query, levels: Levels | None = None) -> stat.Panel:
    """Show in large figures what a value is now."""
    panel = stat.Panel().reduce_options(_last()).graph_mode(viz.BigValueGraphMode.NONE).thresholds(_levels(levels))
    return _asking(_described(panel, title, text, unit), queries, is_instant=True).span(SIXTH).height(HEIGHT // 2)


def bars(
    title: str, text: str, unit: str, *queries: Query, levels: Levels | None = None, width: int = THIRD
) -> bargauge.Panel:
    """Compare values of now."""
    panel = bargauge.Panel().reduce_options(_last()).orientation(viz.VizOrientation.HORIZONTAL).min(0)
    panel.display_mode(viz.BarGaugeDisplayMode.BASIC).thresholds(_levels(levels))
    return _asking(_described(panel, title, text, unit), queries, is_instant=True).span(width)


def rows(title: str, text: str, unit: str, query: Query, *, width: int = FULL) -> table.Panel:
    """Show each series of now as a row, its labels as columns."""
    hidden = {"excludeByName": dict.fromkeys(("Time", "__name__", "job"), True)}
    panel = table.Panel().with_transformation(DataTransformerConfig("organize", options=hidden))
    panel = _described(panel, title, text, unit)
    return panel.with_target(_query(0, query, is_instant=True).format(PromQueryFormat.TABLE)).span(width)


def traces(title: str, text: str, search: Traces) -> table.Panel:
    """Show the traces that a search in the trace store finds."""
    panel = _described(table.Panel(), title, text, "short")
    return panel.datasource(JAEGER).with_target(search).span(FULL).height(HEIGHT * 2)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _described(panel: P, title: str, text: str, unit: str) -> P:
    return panel.title(title).description(text).unit(unit).datasource(PROMETHEUS).no_value(NOTHING).height(HEIGHT)


def _asking(panel: P, queries: Sequence[Query], *, is_instant: bool) -> P:
    for index, query in enumerate(queries):
        panel = panel.with_target(_query(index, query, is_instant=is_instant))
    return panel


def _query(index: int, query: Query, *, is_instant: bool) -> prometheus.Dataquery:
    asked = prometheus.Dataquery().ref_id(ascii_uppercase[index]).expr(query.expression).legend_format(query.legend)
    return asked.instant() if is_instant else asked.range()
