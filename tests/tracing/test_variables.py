"""What OpenTelemetry's variables come to at the start of a worker, and what a text log line says."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sealing import tracing
from sealing.tracing import Trail
from tests.tracing.collector import collecting
from workers.observability import About
from workers.tracing import traced

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
RIGHT = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({ENDPOINT: "nonsense"}, "does not begin with http://"),
        ({ENDPOINT: "ftp://host:1"}, "does not begin with http://"),
        ({ENDPOINT: "http://"}, "names no host"),
        ({ENDPOINT: "http://host:port"}, "is no address"),
        ({ENDPOINT: RIGHT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf is there"),
        ({ENDPOINT: RIGHT, "OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "one of the OTEL_ variables is wrong"),
    ],
)
async def test_what_cannot_be_right_is_said(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In one warning, and the worker goes on without traces."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with traced("w") as to:
        assert to is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert said in caplog.text


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: RIGHT, "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: RIGHT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
async def test_who_wants_no_traces_hears_nothing(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the variable, with an empty one, and where traces are switched off."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with traced("w") as to:
        assert to is None
    assert not caplog.records


async def test_the_variable_for_traces_is_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes before the general one; the name of the service is the environment's, if it has one."""
    async with collecting() as collector:
        monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.address + "/v1/traces")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
        async with traced("w") as to:
            assert to is not None
            to.emit(tracing.Span("a", "1" * 32, "2" * 16, "", 1.0, 2.5, {tracing.SECTOR: "s-t01000-1"}))
    (span,) = collector.spans
    assert (span.name, span.trace, span.id, span.seconds) == ("a", "1" * 32, "2" * 16, 1.5)
    assert (span.of["service.name"], span.of[tracing.WORKER]) == ("ours", "w")


def test_a_task_with_the_number_of_an_aborted_one_is_another_trace() -> None:
    """The id of its workflow is the same, the request for the sector is not; nothing else makes a difference."""
    one = tracing.trace_of("default", "sealer-t01000-1", "thread/run-1")
    assert one == tracing.trace_of("default", "sealer-t01000-1", "thread/run-1")
    assert one != tracing.trace_of("default", "sealer-t01000-1", "thread/run-2")
    assert one != tracing.trace_of("other", "sealer-t01000-1", "thread/run-1")


@pytest.mark.parametrize(
    ("workflow_id", "about"),
    [("sealer-t01000-1", " [s-t01000-1]"), ("thread-w-0-0a1b2c3d", " [thread-w-0-0a1b2c3d]")],
)
def test_a_workflows_line_names_its_sector_or_thread(workflow_id: str, about: str, tmp_path: Path) -> None:
    """In few words, from what the SDK knows of the workflow."""
    record = logging.makeLogRecord({"pathname": str(tmp_path), "temporal_workflow": {"workflow_id": workflow_id}})
    assert About().filter(record)
    assert vars(record)["about"] == about


async def test_an_attempts_line_names_sector_and_step() -> None:
    """At its end, and nothing is added outside of attempts."""
    record = logging.makeLogRecord({})
    About().filter(record)
    assert vars(record)["about"] == ""
    tracing.begin(Trail("pc1", "s-t01000-1", "1" * 32))
    About().filter(record)
    assert vars(record)["about"] == " [s-t01000-1 pc1]"
