"""Prometheus' rules: they are right by promtool, each has a test of its own and a section in docs/operating.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metrics import problems
from tests.needs import need

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
TESTS = sorted((RULES.parent / "tests").glob("*.yml"))
PAGE = ROOT / "docs" / "operating.md"
SEVERITIES = {"critical", "warning", "info"}


def alerts() -> list[dict[str, Any]]:
    """Return all alerts."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def promtool(*words: str | Path) -> None:
    """Run promtool; it must find everything right."""
    program = need("promtool", "make setup-system")
    ran = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_rules_are_right() -> None:
    """Promtool reads each expression and each text."""
    promtool("check", "rules", RULES)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(file: Path) -> None:
    """And not when they should not, with a worker that restarts, and with two that tell the same."""
    promtool("test", "rules", file)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """It has a severity, a text with a command that finds what it is about, and a section in docs/operating.md."""
    told = alert["annotations"]
    assert alert["labels"]["severity"] in SEVERITIES
    assert told["summary"]
    assert "sealflow sector list" in told["description"] or "sealflow worker -c" in told["description"]
    page, _, anchor = told["runbook_url"].partition("#")
    assert ROOT / page == PAGE
    assert anchor in {_anchor(line) for line in PAGE.read_text().splitlines() if line.startswith("### ")}


def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """What it fires for is written with its labels; what it must not fire for has no sample."""
    cases = [
        case
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["promql_expr_test"]
    ]
    names = {alert["alert"] for alert in alerts()}
    fires = {name for name in names if any(f'"{name}"' in case["expr"] and case["exp_samples"] for case in cases)}
    quiet = {name for name in names if any(name in case["expr"] and not case["exp_samples"] for case in cases)}
    assert fires == quiet == names


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_metrics_that_there_are(alert: dict[str, Any]) -> None:
    """Names and labels are those of the definitions, or of Temporal."""
    assert problems(alert["expr"]) == []


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lstrip("# ").lower()).replace(" ", "-")
