"""What a workflow may use: no clock, no chance, no file and no process. Nothing watches it at run time."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from workers.runner import WORKFLOWS

LIGHT = {"flow", "sector", "failures", "values", "stores", "metrics"}
"""What workflows may import of the domain; of the stores the layout alone, which the sector's paths come from, of the
metrics what they are."""

LIBRARIES = {
    "__future__",
    "asyncio",
    "base64",
    "binascii",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "inspect",
    "json",
    "pathlib",
    "pydantic",
    "pydantic_core",
    "re",
    "temporalio",
    "types",
    "typing",
}
"""What else they may import: no module for a clock, for chance, for a process or for the system."""

REFUSED = re.compile(
    r"datetime\.(datetime|date)\.(now|utcnow|today)"
    r"|asyncio\.(wait|as_completed|to_thread|run\w*|new_event_loop|create_subprocess_\w+|open_\w+)"
    r"|pathlib\.Path\.(cwd|home)|.*\.(read|write)_(text|bytes)"
    r"|open|input|breakpoint|eval|exec|__import__|id|hash"
)
"""What these and Python itself have that is none the less a clock, a file, a thread, or an order of its own."""
OURS = {"sealing", "workflows"}


@cache
def modules() -> tuple[str, ...]:
    """Return the names of our modules that workflows import, one through the other."""
    script = f"import sys, {', '.join({each.__module__ for each in WORKFLOWS})}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return tuple(sorted(name for name in done.stdout.split() if name.split(".")[0] in {*OURS, "activities", "workers"}))


def findings(source: str) -> Iterator[str]:
    """Yield what a module's text has that a workflow must not use, with its line, whatever it is called there."""
    tree = ast.parse(source)
    imports = [*_imports(tree)]
    known = {local: name for _, local, name in imports}
    for line, _, name in imports:
        if name.split(".")[0] not in {*LIBRARIES, *OURS} or REFUSED.fullmatch(name):
            yield f"{line}: import {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            root, *rest = ast.unparse(node.func if isinstance(node, ast.Call) else node).split(".")
            if REFUSED.fullmatch(name := ".".join([known.get(root, root), *rest])):
                yield f"{node.lineno}: {name}"


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield each import's line, its name in the module, and what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                whole = each.name if each.asname else each.name.split(".")[0]
                yield node.lineno, each.asname or whole, whole
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield node.lineno, each.asname or each.name, f"{node.module}.{each.name}"


@pytest.mark.parametrize("module", modules())
def test_a_module_that_workflows_import_has_nothing_that_is_not_deterministic(module: str) -> None:
    """Each is read, also what is imported within a function only."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    assert [*findings(Path(found.origin).read_text())] == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from random import random",
        "import os.path",
        "from uuid import uuid4",
        "from datetime import datetime\nat = datetime.now(UTC)",
        "from datetime import date as day\nat = day.today()",
        "import datetime as dt\nat = dt.datetime.now()",
        "def f():\n    import secrets",
        "import asyncio\nasync def f():\n    await asyncio.wait([])",
        "from asyncio import wait",
        "open('file')",
        "order = hash(name)",
        "from pathlib import Path\nhome = Path.home()",
        "text = self.folder.read_text()",
    ],
)
def test_what_is_not_deterministic_is_found(line: str) -> None:
    """A clock, chance, a file, an order of its own: wherever it stands."""
    assert [*findings(line)]


def test_what_the_sdk_has_for_workflows_is_fine() -> None:
    """The workflow's own time, and its own ways to wait."""
    used = "from temporalio import workflow\nnow = workflow.now()\nasync def f(task):\n    await workflow.wait([task])"
    assert [*findings(used)] == []


def test_workflows_import_the_light_part_of_the_domain_only() -> None:
    """No client, no processes, no stores: what a workflow imports it could call."""
    parts = [name.split(".") for name in modules()]
    assert {part[0] for part in parts} == OURS
    assert {part[1] for part in parts if part[0] == "sealing" and part[1:]} <= LIGHT
    of = {
        name: {part[2] for part in parts if part[:2] == ["sealing", name] and part[2:]}
        for name in ("stores", "metrics")
    }
    assert of == {"stores": {"layout", "names"}, "metrics": {"definitions"}}
