"""The test run as a whole: how it ends, and what a skipped test means."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.stack.ports import Ports
from deploy.stack.stack import Stack
from sealing.cache import ProgramMissingError
from tests.needs import missing
from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

REQUIRE_ALL = "SEALFLOW_REQUIRE_ALL"
"""Set by .ci/run: there everything is installed, so a test that is skipped has failed."""

TEMPORAL_ADDRESS = "SEALFLOW_TEMPORAL_ADDRESS"
"""Where it is set, the tests' workflows run on the Temporal server there, such as the stack's."""

_session = pytest.StashKey[pytest.Session]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where nothing may be missing. An expected failure is reported as a skip: it stays."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(REQUIRE_ALL):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} ({REQUIRE_ALL} is set: no test may be skipped)"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a module that skips itself."""
    report = yield
    if report.skipped and os.environ.get(REQUIRE_ALL):
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr} ({REQUIRE_ALL} is set: no test may be skipped)"
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the session, which knows the exit status at the end."""
    session.config.stash[_session] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without the interpreter's end, in which the SDK's threads crash now and then, with the tests' status.

    The summary is printed by now. What was registered to run at exit still runs, so that no temporary file stays.
    """
    session = config.stash.get(_session, None)
    if session is None:
        return
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(session.exitstatus))


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    """Run one Temporal server with its Web UI for all tests."""
    folder = tmp_path_factory.mktemp("temporal")
    async with DevServer(folder, ATTRIBUTE_TYPES, port=None, ui_port=None) as running:
        yield running


@pytest.fixture(scope="session")
async def temporal(server: DevServer) -> Client:
    """Return a client of the tests' Temporal server."""
    address = os.environ.get(TEMPORAL_ADDRESS) or server.address
    return await Client.connect(address, data_converter=pydantic_data_converter)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """Give a folder that others can enter: as root's, PostgreSQL runs as another user, who cannot enter pytest's."""
    with TemporaryDirectory(prefix="sealflow-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
async def stack(open_folder: Path) -> AsyncIterator[Stack]:
    """Run one production server, with Prometheus and Web UI, for all tests that need it; they bring workers."""
    made = Stack(open_folder / "stack", Ports.free(), work=None, durable=False)
    try:
        made.check_programs()
    except ProgramMissingError as error:
        missing(str(error), "make setup-system setup")
    async with made as running:
        yield running


@pytest.fixture(scope="session")
async def production(stack: Stack) -> Client:
    """Return a client of the production server."""
    return await Client.connect(stack.temporal.address, data_converter=pydantic_data_converter)
