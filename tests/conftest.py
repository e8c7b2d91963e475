"""The test run as a whole: how it ends, and what a skipped test means."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import AsyncIterator, Generator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from workers.connection import ATTRIBUTE_TYPES
from workers.devserver import DevServer

REQUIRE_ALL = "SEALFLOW_REQUIRE_ALL"
"""Set by .ci/run: there everything is installed, so a test that is skipped has failed."""

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
    return await Client.connect(server.address, data_converter=pydantic_data_converter)
