"""A flow as JSON, as a diagram and as the page in docs/."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from sealing.flow.registry import LATEST
from sealing.flow.render import as_json, as_mermaid, page
from workers.cli import cli

PAGE = Path(__file__).parents[2] / "docs" / "flows.md"


def test_the_json_has_every_edge_and_names_those_that_are_ours() -> None:
    """The command prints the flow in the form that programs rely on."""
    shown = CliRunner().invoke(cli, ["flow", "sealer", "--format", "json"])
    assert shown.exit_code == 0
    flow = json.loads(shown.output)
    assert list(flow) == ["name", "start", "terminal", "states", "added"]
    assert (flow["name"], flow["start"], flow["terminal"]) == ("sealer", "Empty", ["Finished", "Aborted"])
    assert flow["states"]["PCSubmitted"] == {"ReSubmitPC": "PC2Done", "CheckPC": "PCLanded"}
    assert ["PC2Done", "TicketExpired", "TreeDBuilt"] in flow["added"]
    assert flow == as_json(LATEST["sealer"])


def test_the_diagram_has_a_line_for_every_edge() -> None:
    """No edge is missing from what people look at."""
    for flow in LATEST.values():
        shown = CliRunner().invoke(cli, ["flow", flow.name, "--format", "mermaid"]).output
        assert shown == as_mermaid(flow)
        for state, event, to in flow.edges():
            assert f"{state} --> {to}: {event.__name__}" in shown


def test_an_unknown_flow_or_format_is_wrong_usage() -> None:
    """Exit status 2, and the choices."""
    for wrong in (["flow", "rebuild"], ["flow", "sealer", "--format", "xml"]):
        shown = CliRunner().invoke(cli, wrong)
        assert shown.exit_code == 2
        assert "is not one of" in shown.output


def test_the_page_in_docs_is_what_the_tables_say() -> None:
    """docs/flows.md is generated: `make docs` writes it again."""
    assert PAGE.read_text() == page(LATEST.values())
