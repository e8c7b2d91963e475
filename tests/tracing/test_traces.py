"""What a collector gets of a sector that a worker program seals, fails at and is killed at, and then upgrades."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sealing import tracing
from sealing.flow.registry import LATEST
from sealing.flow.state import State
from sealing.sector import Summary
from tests.survival.program import program
from tests.tracing.collector import Collector, Got, collecting, silent
from tests.world.plant import Plant, plant

pytestmark = pytest.mark.server

FLOWS = ("sealer", "snapup")
QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
SLOW: dict[str, Any] = {"proof_types": (10,), "epoch_seconds": 0.4}
"""A chain that is polled more than once, and sectors with every step of their flow."""
SIGNS_OF_LIFE = "Venus.WorkerPing"
REPORT = "Venus.ReportState"


@dataclass
class Told:
    """All that there is to compare: what the collector got, the histories, the worker's log, the manager's calls."""

    collector: Collector
    summaries: dict[str, Summary]
    log: list[dict[str, Any]]
    calls: Counter[str]
    sector: str

    def task(self, flow: str) -> dict[str, Got]:
        """Return the spans of a task by their ids."""
        return self.collector.of(self.sector, flow)

    def attempts(self, flow: str, step: str) -> list[Got]:
        """Return the spans of the attempts at a step."""
        return [span for span in self.task(flow).values() if span.name == step]


@pytest.fixture(scope="module")
async def told(temporal: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    """Seal and upgrade one sector: PC1 and the encoding fail once, and the worker is killed in PC2."""
    folder = tmp_path_factory.mktemp("traced")
    async with collecting() as collector, plant(temporal, folder, **SLOW) as built:
        env = {**QUICK, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "SEALFLOW_LOG": "json"}
        summaries = {"sealer": await sealed(built, collector, env)}
        built.plan("snapup")
        built.deal(bytes(range(256)) * 6)
        built.simulate(snap_encode={"exit": 1, "times": 1})
        summaries["snapup"] = await upgraded(built, collector, env)
        log = [json.loads(line) for line in (folder / "worker.log").read_text().splitlines()]
        calls = Counter(method for method, _ in built.proxy.calls)
        yield Told(collector, summaries, log, calls, str(built.id()))


async def sealed(built: Plant, collector: Collector, env: dict[str, str]) -> Summary:
    """Seal the sector with a failure and a kill."""
    go = built.folder / "go"
    built.simulate(pc1={"exit": 1, "times": 1}, pc2={"until": str(go)})
    async with program(built, **env) as worker:
        await built.until(lambda: collector.find("pc1", event="PC1"), "the span of PC1")
        await built.until(lambda: built.starts("pc2"), "PC2 to start")
        # A span that is not sent yet goes with the worker.
        await built.until(lambda: reports(built) == len(collector.find(REPORT)), "each report's span")
        worker.kill()
        await worker.gone()
        await worker.start()
        try:
            await built.until(lambda: collector.find("pc2", outcome="lost"), "the next attempt at PC2")
        finally:
            go.touch()  # the job runs on without worker and test
        return await ended(built, collector, worker.terminate)


def reports(built: Plant) -> int:
    """Return how often the manager was told of a state."""
    return built.proxy.count(REPORT)


async def upgraded(built: Plant, collector: Collector, env: dict[str, str]) -> Summary:
    """Upgrade the sector with a failure."""
    async with program(built, **env) as worker:
        return await ended(built, collector, worker.terminate)


async def ended(built: Plant, collector: Collector, terminate: Any) -> Summary:
    """Wait for the task's end, and end the worker, which sends what it has left."""
    summary = await built.finished()
    said = {"state": "Finished", "flow": built.flow}
    assert await terminate() == 0
    assert len(collector.find("report_end", **said)) == len(collector.find("clean_up", **said)) == 1
    return summary


@pytest.mark.parametrize("flow", FLOWS)
def test_a_task_is_one_tree(told: Told, flow: str) -> None:
    """One trace, one first span, and each other one hangs on a span that is there, also after a kill."""
    task = told.task(flow)
    assert [span.name for span in task.values() if not span.parent] == [flow]
    assert {span.parent for span in task.values() if span.parent} <= set(task)
    assert {span.sector for span in task.values()} == {told.sector}


def test_every_span_belongs_to_a_task(told: Told) -> None:
    """A thread that waits for a sector leaves nothing."""
    traces = {span.trace for span in told.collector.spans}
    assert traces == {next(iter(told.task(flow).values())).trace for flow in FLOWS}


@pytest.mark.parametrize("flow", FLOWS)
def test_every_step_of_the_flow_has_a_span(told: Told, flow: str) -> None:
    """With the state that it was in; the request for the sector is the first span's step."""
    rows = {(step.activity, state.value) for state, step in LATEST[flow].rows.items()}
    task = told.task(flow).values()
    assert rows <= {(str(span.said[tracing.STEP]), str(span.said.get(tracing.STATE))) for span in task}
    events = {span.said[tracing.EVENT] for span in task if tracing.EVENT in span.said}
    assert events >= {stay.left_by for stay in told.summaries[flow].stays if stay.state is not State.Allocated}


def test_every_call_of_the_manager_has_a_span(told: Told) -> None:
    """Exactly one, below the attempt that made it; an idle thread's questions and signs of life apart."""
    got = Counter(span.name for span in told.collector.spans if span.is_call)
    allocations = ("Venus.AllocateSector", "Venus.AllocateSanpUpSector")
    assert [got.pop(method) for method in allocations] == [1, 1]
    apart = {*allocations, SIGNS_OF_LIFE}
    assert got == {method: count for method, count in told.calls.items() if method not in apart}


@pytest.mark.parametrize("flow", FLOWS)
def test_links_lead_to_spans_that_are_there(told: Told, flow: str) -> None:
    """In the same trace, and from each attempt that is not a step's first."""
    task = told.task(flow)
    assert {link for span in task.values() for link in span.links} <= set(task)
    again = [span for span in task.values() if int(span.said.get(tracing.ATTEMPT, 1)) > 1]
    assert again or flow != "sealer"
    assert all(span.links for span in again)


@pytest.mark.parametrize(("flow", "step"), [("sealer", "pc1"), ("snapup", "snap_encode")])
def test_a_retry_links_to_the_failed_attempt(told: Told, flow: str, step: str) -> None:
    """The one that failed says so, with its level; the one that the workflow tried again ended in its event."""
    failed, good = told.attempts(flow, step)
    assert failed.is_error
    assert failed.said[tracing.LEVEL] == "Temporary"
    assert not good.is_error
    assert good.links == (failed.id,)
    assert {good.said[tracing.ATTEMPT], failed.said[tracing.ATTEMPT]} == {1}


def test_a_killed_workers_attempt_is_told_by_the_next(told: Told) -> None:
    """What it lived for is there, as lost; the next attempt links to it, and its job is the one that ran on."""
    lost, good = told.attempts("sealer", "pc2")
    assert lost.said[tracing.OUTCOME] == "lost"
    assert good.links == (lost.id,)
    (run,) = [span for span in told.task("sealer").values() if (span.name, span.parent) == ("run", good.id)]
    assert run.said[tracing.JOB] == "adopted"


@pytest.mark.parametrize("flow", FLOWS)
def test_waiting_and_computing_are_apart_and_agree_with_the_history(told: Told, flow: str) -> None:
    """For each stay the spans ``wait`` and ``run`` of the attempt that ended it last as long as the history says."""
    spans = told.task(flow).values()
    computed = [stay for stay in told.summaries[flow].stays if stay.run_seconds]
    assert len(computed) >= 2
    for stay in computed:
        (attempt,) = [
            each
            for each in spans
            if each.said.get(tracing.STATE) == stay.state and each.said.get(tracing.EVENT) == stay.left_by
        ]
        for name, seconds in (("wait", stay.wait_seconds), ("run", stay.run_seconds)):
            parts = [each.seconds for each in spans if (each.name, each.parent) == (name, attempt.id)]
            assert sum(parts) == pytest.approx(seconds, abs=1e-3)


def test_polls_end_without_an_error(told: Told) -> None:
    """What waits for the chain has not failed."""
    polls = [span for flow in FLOWS for span in told.task(flow).values() if span.said.get(tracing.OUTCOME) == "waits"]
    assert polls
    assert not any(span.is_error for span in polls)


def test_spans_say_where_they_come_from(told: Told) -> None:
    """The service, its version, and the worker by its name."""
    for span in told.collector.spans:
        assert span.of["service.name"] == "sealflow"
        assert span.of["service.instance.id"] == span.of[tracing.WORKER]
        assert {"service.version", "host.name"} <= set(span.of)


def test_log_lines_of_a_failing_step_name_its_trace(told: Told) -> None:
    """The line about PC1's failure has the sector, the step and the trace under which the collector has it."""
    failed, _ = told.attempts("sealer", "pc1")
    about = {"sector": told.sector, "step": "pc1", "trace": failed.trace}
    lines = [line for line in told.log if about.items() <= line.items()]
    assert [line["level"] for line in lines] == ["warning"]
    assert "{" not in lines[0]["message"]


async def test_a_collector_that_never_answers_holds_nothing(temporal: Client, tmp_path: Path) -> None:
    """The sector finishes, the worker ends, and one warning says that no traces arrive."""
    async with silent() as address, plant(temporal, tmp_path) as built:
        env = {**QUICK, "OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"}
        async with program(built, **env) as worker:
            await built.finished()
            await built.until(lambda: "traces do not reach" in worker.log.read_text(), "the warning")
            assert await worker.terminate() == 0
        log = worker.log.read_text()
        assert log.count("traces do not reach") == 1
        assert "opentelemetry" not in log


async def test_a_worker_runs_with_a_variable_that_is_wrong(temporal: Client, tmp_path: Path) -> None:
    """It says so, and serves."""
    async with plant(temporal, tmp_path) as built, program(built, OTEL_EXPORTER_OTLP_ENDPOINT="nonsense") as worker:
        await built.until(lambda: "serves queues" in worker.log.read_text(), "the worker to serve")
        assert await worker.terminate() == 0
        assert "no traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT=nonsense" in worker.log.read_text()
