"""The configuration files that the stack mounts: each program takes its own, and they name each other rightly."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from sealing.config import load
from sealing.devnet.config import DevnetConfig
from tests.config.test_token import SECRET
from tests.deploy.stack import ROOT, mounts, services
from tests.devnet.world import running
from tests.needs import need
from workers.embedded import read_config

DEPLOY = ROOT / "deploy"
WORKER, DEVNET = DEPLOY / "compose" / "worker.toml", DEPLOY / "compose" / "devnet.json"
VAR, TOKEN = "/var/lib/sealflow", "/run/secrets/manager_token"


def moved(file: Path, root: Path) -> Path:
    """Return a copy of a configuration whose folders are below ``root``, and are there."""
    text = file.read_text().replace(VAR, str(root)).replace(TOKEN, str(root / "token"))
    for folder in ("sealing/0", "sealing/1", "sealing/upgrade", "store"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "token").write_text(f"{SECRET}\n")
    copy = root / file.name
    copy.write_text(text)
    return copy


def test_a_worker_starts_with_its_file(tmp_path: Path) -> None:
    """``config check --strict`` finds nothing wrong, and nothing that has no effect."""
    file = moved(WORKER, tmp_path)
    program = Path(sys.executable).with_name("sealflow")
    done = subprocess.run([program, "config", "check", "--strict", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "ignored" not in done.stdout


def test_the_embedded_manager_starts_with_its_file(tmp_path: Path) -> None:
    """Its own loader takes the file, and finds the token."""
    assert read_config(moved(DEVNET, tmp_path)).bearer() == SECRET


def test_both_have_their_folders_on_volumes(tmp_path: Path) -> None:
    """Locations, store and books survive the containers, and manager and worker mean the same store."""
    worker, manager = load(moved(WORKER, tmp_path)), read_config(moved(DEVNET, tmp_path))
    volumes = [Path(target.replace(VAR, str(tmp_path))) for target in mounts(services()["worker"], "volume")]
    locations = [*(thread.location for thread in worker.sealing_thread), *(store.location for store in worker.stores())]
    assert all(any(location.is_relative_to(volume) for volume in volumes) for location in locations)
    assert str(manager.data).replace(str(tmp_path), VAR) in mounts(services()["manager"], "volume")
    assert manager.stores == {store.name: store.location for store in worker.stores()}
    store = f"{VAR}/store"
    assert mounts(services()["worker"], "volume")[store] == mounts(services()["manager"], "volume")[store]


def addresses(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Yield each host and port that a file of the stack names."""
    worker = load(moved(WORKER, tmp_path))
    yield _split(worker.temporal.address)
    yield _split(worker.manager.url)
    for job in ("sealflow", "temporal"):
        (group,) = yaml.safe_load((DEPLOY / "prometheus" / "targets" / f"{job}.yml").read_text())
        yield from map(_split, group["targets"])
    sources = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "sealflow.yaml").read_text())
    yield from (_split(source["url"]) for source in sources["datasources"])
    collector = yaml.safe_load((DEPLOY / "otel" / "collector.yaml").read_text())
    yield _split(collector["exporters"]["otlp/jaeger"]["endpoint"])
    yield _split(services()["worker"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"])


def _split(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "//" in address else f"//{address}")
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


LISTENS = {
    "worker": {9000},
    "manager": {1789},
    "temporal": {7233, 8000},
    "prometheus": {9090},
    "jaeger": {16686, 4317},
    "otel-collector": {4318},
}
"""Where each service listens for the others."""


def test_addresses_are_services_that_listen_there(tmp_path: Path) -> None:
    """Whatever a file names is a service of the stack, and its port."""
    for host, port in addresses(tmp_path):
        assert host in services()
        assert port in LISTENS[host]


def test_listeners_are_as_they_are_configured(tmp_path: Path) -> None:
    """The ports above are those of the files."""
    collector, jaeger = (
        yaml.safe_load((DEPLOY / "otel" / f"{name}.yaml").read_text()) for name in ("collector", "jaeger")
    )
    assert load(moved(WORKER, tmp_path)).metrics.http_listen == "0.0.0.0:9000"
    assert read_config(moved(DEVNET, tmp_path)).port == 1789
    assert services()["temporal"]["environment"]["PROMETHEUS_ENDPOINT"] == "0.0.0.0:8000"
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "0.0.0.0:4318"
    assert jaeger["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == "0.0.0.0:4317"
    assert jaeger["extensions"]["jaeger_query"]["http"]["endpoint"] == "0.0.0.0:16686"


@pytest.mark.parametrize("name", ["collector", "jaeger"])
def test_pipelines_are_of_parts_that_are_there(name: str) -> None:
    """Each part that a pipeline or the service names is configured, and none is configured in vain."""
    content = yaml.safe_load((DEPLOY / "otel" / f"{name}.yaml").read_text())
    service = content["service"]
    for kind in ("receivers", "processors", "exporters"):
        used = {part for pipeline in service["pipelines"].values() for part in pipeline[kind]}
        assert used == set(content[kind])
    assert set(service.get("extensions", ())) == set(content.get("extensions", ()))


def test_prometheus_takes_its_file() -> None:
    """Prometheus's own tool finds nothing wrong with it, its rules and its lists of targets."""
    promtool = need("promtool", "apt-get install prometheus, or scripts/system.sh")
    file = DEPLOY / "prometheus" / "prometheus.yml"
    done = subprocess.run([promtool, "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {job["job_name"] for job in yaml.safe_load(file.read_text())["scrape_configs"]}
    assert jobs == {"sealflow", "temporal"}


def test_grafana_finds_its_dashboards() -> None:
    """The provider looks where the folder of the dashboards is mounted."""
    content = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards" / "sealflow.yaml").read_text())
    (provider,) = content["providers"]
    assert mounts(services()["grafana"], "bind")[provider["options"]["path"]] == DEPLOY / "grafana" / "dashboards"


async def well(service: str, port: int) -> bool:
    """Run a service's health check against a port of this machine."""
    kind, program, option, text = services()[service]["healthcheck"]["test"]
    assert (kind, program, option) == ("CMD", "python", "-c")
    (known,) = LISTENS[service]
    check = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text.replace(str(known), str(port)), stderr=asyncio.subprocess.DEVNULL
    )
    return await check.wait() == 0


async def test_the_manager_s_check_tells_whether_it_answers(tmp_path: Path) -> None:
    """It needs no token, and fails when the manager has stopped."""
    settings = {**json.loads(moved(DEVNET, tmp_path).read_text()), "host": "127.0.0.1", "port": 0}
    async with running(DevnetConfig.model_validate(settings)) as world:
        port = _split(world.server.address)[1]
        assert await well("manager", port)
    assert not await well("manager", port)


async def test_the_worker_s_check_tells_whether_it_serves_metrics() -> None:
    """It fails when nobody serves them."""
    server, thread = start_http_server(0, "127.0.0.1", CollectorRegistry())
    assert await well("worker", server.server_port)
    await asyncio.to_thread(server.shutdown)
    server.server_close()
    thread.join()
    assert not await well("worker", server.server_port)
