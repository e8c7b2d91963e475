"""What is looked at beside the scrapes: folders, the fleet, and the SDK's exporter; also while these are away."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sealing.config import load
from sealing.metrics.definitions import BY_WORKFLOWS, Definition
from sealing.processors.admission import Admission, Limits
from sealing.stores.mounts import Mounts
from tests.world.scraped import METRICS, Scrape, scrape
from workers import threads
from workers.connection import StartError
from workers.devserver import pick_port
from workers.measuring import endpoint, fleet, folders
from workers.measuring.endpoint import BuildInfo, measured
from workers.measuring.fleet import FleetMetrics
from workers.measuring.folders import FolderMetrics
from workers.measuring.sdk import SdkMetrics


def shown(collector: Collector) -> Scrape:
    """Return what Prometheus would read of it."""
    registry = CollectorRegistry()
    registry.register(collector)
    return Scrape.of(text_string_to_metric_families(generate_latest(registry).decode()))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def beside(work: Any) -> AsyncIterator[None]:
    """Let something run while the block does."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_room_is_told_of_what_is_there(tmp_path: Path) -> None:
    """A folder that is there has its disk's room; one that is not has none, nor has a store that is only read."""
    here, gone = tmp_path / "here", tmp_path / "gone"
    here.mkdir()
    stores = {"here": here, "gone": gone, "readonly": here}
    looks = FolderMetrics(Mounts.remember([here, gone]), stores, {str(here): here}, {"readonly"})
    assert not shown(looks).samples, "nothing was looked at yet"
    async with beside(looks.look_for_ever()):
        await until(lambda: len(shown(looks).by("sealflow_store_up", "store")) == 3)
    seen = shown(looks)
    assert seen.by("sealflow_store_up", "store") == {"here": 1, "gone": 0, "readonly": 1}
    assert set(seen.by("sealflow_store_free_bytes", "store")) == {"here"}
    free, size = (seen.value(f"sealflow_store_{what}_bytes", store="here") for what in ("free", "size"))
    assert 0 < free < size
    assert seen.by("sealflow_location_up", "location") == {str(here): 1}


async def test_a_folder_that_hangs_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is down, the others are told, and it takes one thread, however long it hangs."""
    hangs, released, asked = tmp_path / "hangs", threading.Event(), []
    hangs.mkdir()
    room = folders.room

    def look(folder: Path) -> folders.Room:
        if folder == hangs:
            asked.append(folder)
            released.wait(30)
        return room(folder)

    monkeypatch.setattr(folders, "room", look)
    monkeypatch.setattr(folders, "ANSWERS_WITHIN", 0.02)
    monkeypatch.setattr(folders, "LOOKED_AT_EVERY", 0.01)
    looks = FolderMetrics(Mounts.remember([hangs, tmp_path]), {"hangs": hangs, "there": tmp_path}, {})
    async with beside(looks.look_for_ever()):
        await until(lambda: shown(looks).by("sealflow_store_up", "store") == {"hangs": 0, "there": 1})
        await asyncio.sleep(0.2)
        assert len(asked) == 1
        released.set()
        await until(lambda: shown(looks).value("sealflow_store_up", store="hangs") == 1)


class Away:
    """A Temporal that does not answer."""

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[object]:
        """Fail as the SDK does."""
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        yield


async def test_a_count_that_cannot_be_made_is_told_by_its_age(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No number is made up, the time stays, the log says it once."""
    monkeypatch.setattr(fleet, "SOONEST", 0.01)
    monkeypatch.setattr(fleet, "LOOK_AGAIN", 0.01)
    counts = FleetMetrics(cast("Client", Away()), "sealing")
    async with beside(counts.count_for_ever()):
        await until(lambda: bool(caplog.records))
        for _ in range(5):
            shown(counts)
            await asyncio.sleep(0.03)
    seen = shown(counts)
    assert seen.by("sealflow_fleet_counted_timestamp_seconds", "fleet") == {"sealing": 0}
    assert {name for name, _ in seen.samples} == {"sealflow_fleet_counted_timestamp_seconds"}
    assert [record.message for record in caplog.records] == [
        "the fleet's sectors are not counted, Temporal does not answer: away"
    ]


def test_an_old_count_is_not_told() -> None:
    """Of what several workers tell the largest counts: one that is cut off must not go on telling of what was."""
    counts = FleetMetrics(cast("Client", Away()), "sealing")
    counts._count = fleet.Count(time.time() - fleet.OLD + 60, Counter({("sealer", "PC1Done"): 3}))
    assert shown(counts).value("sealflow_sectors", fleet="sealing", flow="sealer", state="PC1Done") == 3
    counts._count.at -= 61
    seen = shown(counts)
    assert {name for name, _ in seen.samples} == {"sealflow_fleet_counted_timestamp_seconds"}
    assert seen.value("sealflow_fleet_counted_timestamp_seconds", fleet="sealing") == counts._count.at


async def test_a_thread_that_hangs_holds_no_workers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, for a while, and left behind; what runs after it in this loop has threads as before."""
    monkeypatch.setattr(threads, "ENDED_WITHIN", 0.05)
    released = threading.Event()
    async with threads.file_threads():
        hangs = asyncio.create_task(asyncio.to_thread(released.wait, 30))
        await asyncio.sleep(0)
    assert not hangs.done()
    released.set()
    assert await hangs
    together = threading.Barrier(3)
    await asyncio.gather(*(asyncio.to_thread(together.wait, 10) for _ in range(3)))


@pytest.fixture(scope="module")
def sdk() -> SdkMetrics:
    """Return the metrics of one runtime."""
    return SdkMetrics()


def told(sdk: SdkMetrics) -> Scrape:
    """Return what the SDK's exporter tells."""
    return Scrape.of(text_string_to_metric_families(sdk.text().decode()))


def test_the_sdks_metrics_are_counted(sdk: SdkMetrics) -> None:
    """Counters add up, gauges stay as they were said, latencies fall into our buckets, each by its labels."""
    meter = sdk.runtime.metric_meter
    for _ in range(3):
        meter.create_counter("tries").add(2, {"queue": "one"})
    meter.create_gauge("slots").set(7, {"queue": "one"})
    meter.create_gauge("slots").set(5, {"queue": "one"})
    for seconds in (0.005, 0.2, 100_000.0):
        meter.create_histogram_timedelta("call_latency").record(timedelta(seconds=seconds))
    seen = told(sdk)
    assert seen.value("tries_total", queue="one") == 6
    assert seen.value("slots", queue="one") == 5
    buckets = seen.by("call_latency_seconds_bucket", "le")
    assert (buckets["0.01"], buckets["0.1"], buckets["0.5"], buckets["86400"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert seen.value("call_latency_seconds_sum") == pytest.approx(100_000.205)


@pytest.mark.parametrize("metric", [each for each in BY_WORKFLOWS if each.buckets], ids=lambda metric: metric.name)
def test_what_workflows_count_has_the_tables_buckets(sdk: SdkMetrics, metric: Definition) -> None:
    """And its name, though the exporter would say the unit."""
    sdk.runtime.metric_meter.create_histogram_float(metric.name, metric.text).record(1.0)
    assert [float(limit) for limit in told(sdk).by(f"{metric.name}_bucket", "le")] == [*metric.buckets, math.inf]


def test_another_port_is_taken_where_somebody_was_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker starts all the same; where none is free at all it says so."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = iter([taken, pick_port(None)])
        monkeypatch.setattr("workers.measuring.sdk.pick_port", lambda _: next(ports))
        metrics = SdkMetrics()
        metrics.runtime.metric_meter.create_counter("seen").add(1)
        assert told(metrics).value("seen_total") == 1

        monkeypatch.setattr("workers.measuring.sdk.pick_port", lambda _: taken)
        with pytest.raises(StartError, match=r"\[metrics\]: no port on 127.0.0.1 .* in use"):
            SdkMetrics()


async def test_an_exporter_that_does_not_answer_costs_its_metrics_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours are told all the same, and a line of the log says what is wrong."""
    sdk = SdkMetrics()
    monkeypatch.setattr(sdk, "_port", pick_port(None))
    async with endpoint._served(f"127.0.0.1:{(port := pick_port(None))}", [BuildInfo("one")], sdk):
        assert (await scrape(port)).by("sealflow_build_info", "worker") == {"one": 1}
    assert "its exporter does not answer: ConnectionRefusedError" in caplog.text


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The worker does not start, and says which key is wrong."""
    port, file = pick_port(None), tmp_path / "worker.toml"
    file.write_text(f"{METRICS.format(port=port)}[[processors.c2]]\n")
    given = load(file), cast("Client", Away()), Admission(Limits()), Mounts(), None
    async with measured(*given):
        with pytest.raises(StartError, match=rf"\[metrics\] http_listen = 127.0.0.1:{port}: .*in use"):
            async with measured(*given):
                pass


async def test_a_caller_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One that says nothing, or half a word, keeps no thread and no file; others are answered before and after."""
    monkeypatch.setattr(endpoint._Impatient, "timeout", 0.2)
    async with endpoint._served(f"127.0.0.1:{(port := pick_port(None))}", []):
        hanging = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        hanging[0][1].write(b"GET /metr")
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200
            for reader, writer in hanging:
                assert await asyncio.wait_for(reader.read(), 30) == b""
                writer.close()
            assert (await http.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200
    await until(lambda: not any("process_request_thread" in each.name for each in threading.enumerate()))
    assert caplog.records == [record for record in caplog.records if record.levelname == "INFO"]
