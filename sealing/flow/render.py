"""A flow for programs (JSON) and for people (a Mermaid diagram, and the tables of docs/flows.md)."""

from collections.abc import Iterable
from typing import Any

from sealing.flow.table import Flow


def as_json(flow: Flow) -> dict[str, Any]:
    """Return the flow as plain data: name, start, terminal states, each state's events, and the rows that are ours."""
    return {
        "name": flow.name,
        "start": flow.start.value,
        "terminal": [state.value for state in flow.terminal],
        "states": {
            state.value: {event.__name__: to.value for event, to in step.edges.items()}
            for state, step in flow.rows.items()
        },
        "added": [[state.value, event.__name__, to.value] for state, event, to in flow.added],
    }


def as_mermaid(flow: Flow) -> str:
    """Return the flow as a Mermaid state diagram; ways back are marked, rows that are ours too."""
    lines = ["stateDiagram-v2", f"    [*] --> {flow.start}"]
    for state, event, to in flow.edges():
        ours = " (ours)" if (state, event, to) in flow.added else ""
        lines.append(f"    {state} --> {to}: {event.__name__}{ours}")
    lines.extend(f"    {state} --> [*]" for state in flow.terminal if any(to == state for _, _, to in flow.edges()))
    return "\n".join(lines) + "\n"


def as_markdown(flow: Flow) -> str:
    """Return the flow's table and diagram as a section of docs/flows.md."""
    rows = [
        "| state | event → next state | runs | where | reads |",
        "|---|---|---|---|---|",
    ]
    for state, step in flow.rows.items():
        edges = "; ".join(
            f"{event.__name__} → {to}" + (" *" if (state, event, to) in flow.added else "")
            for event, to in step.edges.items()
        )
        reads = ", ".join(step.needs)
        rows.append(f"| {state} | {edges} | `{step.activity}` | {step.where} | {reads} |")
    diagram = as_mermaid(flow)
    return f"## {flow.name}, version {flow.version}\n\n" + "\n".join(rows) + f"\n\n```mermaid\n{diagram}```\n"


def page(flows: Iterable[Flow]) -> str:
    """Return docs/flows.md."""
    head = (
        "# Flows\n\nGenerated from the tables in `sealing/flow` by `make docs`. In each row: in this state, the step "
        "runs, and its event leads to the next state. A row marked * is ours and not the seed's. `Aborted` is reached "
        "from every state, by a failure of level Abort or by an operator.\n\n"
    )
    return head + "\n".join(as_markdown(flow) for flow in flows)
