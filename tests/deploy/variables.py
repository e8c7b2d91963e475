"""The environment variables that our program reads, found in its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.sdk import environment_variables

from tests.deploy.stack import ROOT

PACKAGES = ("sealing", "activities", "workflows", "workers")
NAME = re.compile(r"(SEALFLOW|TEMPORAL|FIL_PROOFS|XDG|OTEL)_[A-Z_]+")


def read_by_us() -> set[str]:
    """Return the variables that stand in our code as strings of their own, and those of the library of traces."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    named = {name for file in files for name in _names(file)}
    return named | {name for name in vars(environment_variables) if name.startswith("OTEL_")}


def _names(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
            yield node.value
