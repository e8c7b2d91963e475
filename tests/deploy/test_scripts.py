"""The scripts of deploy/: each may run at every start."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from sealing.cache import find_temporal
from tests.deploy.stack import COMPOSE, EXAMPLE, ROOT, services, understand
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import RETENTION, DevServer

NAMESPACE = "made-by-the-script"
TOOL = """\
#!/bin/sh
echo "$SQL_DATABASE: $*" >>"$CALLS"
"""


def run(script: Path, **environment: str) -> str:
    """Run a script with nothing but these variables, and return what it printed."""
    done = subprocess.run([script], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def folder_of(tmp_path: Path, name: str, program: Path | str) -> str:
    """Return a PATH in which a program has a name, before this machine's own."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    if isinstance(program, Path):
        (programs / name).symlink_to(program)
    else:
        (programs / name).write_text(program)
        (programs / name).chmod(0o755)
    return f"{programs}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.server
async def test_the_namespace_keeps_closed_workflows(server: DevServer, temporal: Client, tmp_path: Path) -> None:
    """It is made and then there; each further start sets its 90 days, where somebody has set others."""
    environment = {
        "PATH": folder_of(tmp_path, "temporal", find_temporal()),
        "HOME": str(tmp_path),
        "TEMPORAL_ADDRESS": server.address,
        "TEMPORAL_NAMESPACE": NAMESPACE,
    }
    script = ROOT / "deploy" / "temporal" / "namespace.sh"
    run(script, **environment)
    other = [str(find_temporal()), "operator", "namespace", "update", "--namespace", NAMESPACE, "--retention", "72h"]
    for _ in range(2):
        run(script, **environment)
        told = await temporal.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
        assert told.config.workflow_execution_retention_ttl.ToTimedelta() == RETENTION == timedelta(days=90)
        await asyncio.to_thread(subprocess.run, other, env=environment, check=True, capture_output=True)


def test_both_databases_get_their_schema(tmp_path: Path) -> None:
    """Each is made, gets the table of versions, and is brought to the newest: by the tool, which is recorded here."""
    calls = tmp_path / "calls"
    run(
        ROOT / "deploy" / "temporal" / "schema.sh",
        PATH=folder_of(tmp_path, "temporal-sql-tool", TOOL),
        CALLS=str(calls),
    )
    assert calls.read_text().splitlines() == [
        f"{database}: {command}"
        for database, schema in (("temporal", "temporal"), ("temporal_visibility", "visibility"))
        for command in (
            "create-database",
            "setup-schema --version 0.0",
            f"update-schema --schema-name postgresql/v12/{schema}",
        )
    ]


def test_schema_and_server_are_of_one_version() -> None:
    """The schema's tool is that of the server's release, and so is what makes the namespace."""
    version = services()["temporal"]["image"].partition(":")[2]
    for name in ("schema", "namespace"):
        assert services()[name]["image"].startswith(f"temporalio/admin-tools:{version}-")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """The stack can start with what the script writes; what is there stays, and is this user's alone."""
    for file in (COMPOSE, EXAMPLE, ROOT / "deploy" / "compose" / "secrets.sh"):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    script, path = tmp_path / "deploy" / "compose" / "secrets.sh", os.environ["PATH"]
    assert "wrote .env" in run(script, PATH=path)
    settings, token = tmp_path / ".env", tmp_path / "deploy" / "compose" / "secrets" / "manager_token"
    before = settings.read_text(), token.read_text()
    assert not run(script, PATH=path)
    assert (settings.read_text(), token.read_text()) == before
    assert settings.stat().st_mode & 0o777 == 0o600
    assert token.parent.stat().st_mode & 0o777 == 0o700
    assert token.stat().st_mode & 0o777 == 0o644
    found = understand(tmp_path / "docker-compose.yml", {})
    assert not found.refused
    passwords = {
        found.project["services"]["postgresql"]["environment"]["POSTGRES_PASSWORD"],
        found.project["services"]["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"],
        token.read_text(),
    }
    assert len(passwords) == 3
    assert all(len(password) == 48 for password in passwords)
    assert Path(found.project["secrets"]["manager_token"]["file"]) == token


def test_the_search_attributes_are_written_down() -> None:
    """docs/deploying.md has a command for each attribute, with its type, for a cluster and for Temporal Cloud."""
    page = (ROOT / "docs" / "deploying.md").read_text()
    for form in (r"--name (\w+) --type (\w+)", r"--search-attribute (\w+)=(\w+)"):
        assert dict(re.findall(form, page)) == ATTRIBUTE_TYPES
