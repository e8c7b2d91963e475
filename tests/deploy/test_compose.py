"""docker-compose.yml: what Docker Compose's own parser says of it, and what every service must keep to."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.deploy.stack import COMPOSE, ROOT, Service, mounts, needed, ours, services, understand, written
from tests.deploy.variables import read_by_us

PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+[\w.-]*")
SECRET = re.compile(r"PASSWORD|PWD|TOKEN|SECRET|KEY")
FROM_OUTSIDE = re.compile(r"\$\{[A-Z_]+:\?.*deploy/env\.example\}")
PAGE = ROOT / "docs" / "deploying.md"
ROW = re.compile(r"\| `([^`]+)` \| `([A-Z_]+)` \| .+ \|")


def test_docker_compose_understands_it() -> None:
    """Its parser takes the file with the variables of deploy/env.example, and nothing else."""
    assert {"postgresql", "temporal", "worker", "manager", "grafana"} <= set(services())


@pytest.mark.parametrize("name", sorted(needed()))
def test_a_variable_that_is_not_set_is_named(name: str) -> None:
    """Without one of them nothing starts, and the error says which and where to read on."""
    others = {other: value for other, value in needed().items() if other != name}
    refused = understand(COMPOSE, {**others, name: ""}).refused
    assert name in refused
    assert "deploy/env.example" in refused


def test_the_parser_refuses_what_is_wrong(tmp_path: Path) -> None:
    """A misspelt key, and a service that waits for one that is not there: it is the parser that finds them."""
    file = tmp_path / "docker-compose.yml"
    for wrong, says in (("depnds_on: [b]", "depnds_on"), ("depends_on: [b]", "undefined service")):
        file.write_text(f"name: t\nservices:\n  a:\n    image: x:1\n    {wrong}\n")
        assert says in understand(file, {}).refused


def test_every_image_is_pinned() -> None:
    """Each has a whole version; ours has the program's."""
    for service in services().values():
        assert PINNED.fullmatch(service["image"]), service["name"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in ours().values()} == {f"sealflow:{version}"}


def test_every_port_is_this_machine_s_alone() -> None:
    """None is open to others, and none is taken twice."""
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    published = [port["published"] for port in ports]
    assert len(set(published)) == len(published)


def test_every_service_says_how_it_is_known_to_be_well() -> None:
    """It has a health check, or a reason why it has none."""
    for service in services().values():
        reason = written()["services"][service["name"]].get("x-no-healthcheck")
        assert bool(reason) != ("healthcheck" in service), service["name"]


def test_waiting_fits_what_is_waited_for() -> None:
    """Who waits for health waits for a service with a check, who waits for an end for one that ends."""
    for service in services().values():
        for name, link in service.get("depends_on", {}).items():
            awaited = services()[name]
            assert ("healthcheck" in awaited) == (link["condition"] == "service_healthy")
            ends = link["condition"] == "service_completed_successfully"
            assert ends == awaited["restart"].startswith("on-failure"), (service["name"], name)


def test_every_service_comes_back_and_gains_no_rights() -> None:
    """Each is started again after a failure or a reboot, and bounds its log; ours write to their volumes alone."""
    for service in services().values():
        assert service["restart"] in {"unless-stopped", "on-failure:5"}
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["logging"]["options"]["max-size"]
    for service in ours().values():
        assert service["read_only"]
        assert service["init"]
        assert service["cap_drop"] == ["ALL"]


def test_every_mounted_file_is_there() -> None:
    """Each file and folder of this repository exists, under deploy/, and is only read."""
    for service in services().values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), volume["source"]
                assert Path(volume["source"]).is_relative_to(ROOT / "deploy")
                assert volume["read_only"]


def test_no_secret_stands_in_it() -> None:
    """What looks like a secret comes from outside, with an error that says where."""
    for name, service in written()["services"].items():
        for variable, value in service.get("environment", {}).items():
            assert not SECRET.search(variable) or FROM_OUTSIDE.fullmatch(value), (name, variable)
    assert all(FROM_OUTSIDE.fullmatch(secret["file"]) for secret in written()["secrets"].values())


def test_our_program_reads_what_it_is_given() -> None:
    """Each variable of our services is one that the program reads."""
    for service in ours().values():
        assert set(service.get("environment") or ()) <= read_by_us(), service["name"]


def test_what_others_are_given_is_written_down() -> None:
    """docs/deploying.md has a row for each variable of each other image, and no row more."""
    given = {
        (service["image"].partition(":")[0], variable)
        for service in services().values()
        if service["name"] not in ours()
        for variable in service.get("environment") or ()
    }
    assert given == {(row[1], row[2]) for row in map(ROW.fullmatch, PAGE.read_text().splitlines()) if row}


def test_every_volume_is_used_and_named() -> None:
    """What must survive is in a named volume: each is mounted by somebody."""
    used = {str(source) for service in services().values() for source in mounts(service, "volume").values()}
    assert used == set(written()["volumes"])


def draining() -> list[Service]:
    """Return the services that must put something in order before they end."""
    return [services()[name] for name in ("postgresql", "temporal", "manager", "worker", "prometheus", "jaeger")]


def test_what_drains_has_time() -> None:
    """Docker kills after 10 seconds what says nothing else."""
    assert all(service["stop_grace_period"] for service in draining())


def test_the_file_is_plain_yaml() -> None:
    """Also other programs read it: no key stands twice in a table."""

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - as it is there
            keys = [key.value for key, _ in node.value]
            assert len(set(keys)) == len(keys), f"{node.start_mark}: {keys}"
            return super().construct_mapping(node, deep)

    assert yaml.load(COMPOSE.read_text(), Strict)  # noqa: S506 - a safe loader's child
