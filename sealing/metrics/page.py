"""docs/metrics.md, written from the definitions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sealing.metrics.definitions import BY_METER, GROUPS, LABELS, Definition, Kind
from sealing.units import duration_text

HEAD = f"""\
# Metrics

<!-- Written by `make docs` from sealing/metrics/definitions.py. -->

With `[metrics] enable = true` a worker serves these at `http_listen`, for Prometheus, and with them those of Temporal's
SDK, whose names begin with `temporal_`. A counter begins anew with the worker. No label grows with the number of
sectors: of one sector its page in the Web UI, `sealflow sector history` and its [trace](operating.md#traces) tell.

What stands in the fleet is read from Temporal and told by every worker alike: take the `max` over workers, not the sum.
What workflows count is counted by whichever worker runs them: take the `sum`.
Labels of the SDK's meter come with it: {", ".join(f"`{label}`" for label in BY_METER)}.

"""


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for title, metrics in GROUPS.items():
        yield from (f"## {title}", "", "| metric | kind | labels | what it says |", "|---|---|---|---|")
        yield from map(_row, metrics)
        yield ""
    yield from ("## Labels", "", "| label | its values |", "|---|---|")
    yield from (f"| `{label}` | {values} |" for label, values in LABELS.items())
    yield from ("", "## Buckets", "")
    yield from _buckets()


def _row(metric: Definition) -> str:
    name = metric.name + ("_total" if metric.kind is Kind.counter else "")
    kind = "gauge histogram" if metric.kind is Kind.gaugehistogram else metric.kind.value
    return f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text} |"


def _buckets() -> Iterator[str]:
    metrics = [metric for group in GROUPS.values() for metric in group if metric.buckets]
    for limits in dict.fromkeys(metric.buckets for metric in metrics):
        names = ", ".join(f"`{metric.name}`" for metric in metrics if metric.buckets == limits)
        yield f"- {names}: {', '.join(duration_text(timedelta(seconds=limit)) for limit in limits)}"
